package ladder

import (
	"context"
	"sync"
)

// lockedMaps is the fourth design with a lock on both levels. Its messages still
// overtake one another on the way to the lock, and nothing writes what is left
// over when no tenth comes.
type lockedMaps struct {
	spawn
	mu      sync.RWMutex
	streams map[string]*places
}

// places collects ten messages of one id.
type places struct {
	mu       sync.Mutex
	messages map[int]message
}

func newLockedMaps(_ context.Context, s *store, _ times) design {
	return &lockedMaps{spawn: spawn{store: s}, streams: make(map[string]*places)}
}

func (d *lockedMaps) receive(ctx context.Context, m message) {
	d.start(ctx, func() error {
		p := d.of(m.id)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.messages[len(p.messages)] = m
		if len(p.messages) < batchSize {
			return nil
		}
		ms := inOrder(p.messages)
		clear(p.messages)
		return d.store.rows(ctx, ms)
	})
}

func (d *lockedMaps) of(id string) *places {
	d.mu.RLock()
	p := d.streams[id]
	d.mu.RUnlock()
	if p != nil {
		return p
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if p = d.streams[id]; p == nil {
		p = &places{messages: make(map[int]message)}
		d.streams[id] = p
	}
	return p
}

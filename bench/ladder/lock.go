package ladder

import (
	"context"
	"sync"
)

// lock is the second design: a read-write lock around the database keeps writers
// apart. Who looks for the row of the stream holds it for reading, who makes or
// changes it for writing. Between the two somebody else may have made the row:
// then the message is refused by the key and lost, which happens to almost all
// that come at once while the rows are missing. One writes at a time, so nobody
// shares a sync of the disk with anybody.
type lock struct {
	spawn
	mu sync.RWMutex
}

func newLock(_ context.Context, s *store, _ times) design { return &lock{spawn: spawn{store: s}} }

func (d *lock) receive(ctx context.Context, m message) {
	d.start(ctx, func() error {
		there, err := d.find(ctx, m.id)
		if err != nil {
			return err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if err := d.store.changeStream(ctx, nil, m, there); err != nil {
			return err
		}
		return d.store.insert(ctx, nil, m)
	})
}

func (d *lock) find(ctx context.Context, id string) (bool, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.store.find(ctx, nil, id)
}

package ladder

import (
	"context"
	"sync"
	"time"
)

// channels is the fifth design as it was published: a channel for each id, made
// when its first message comes; a consumer looks every two seconds for new ones,
// and gives each a worker that writes ten messages at once, or what there is when
// none has come for ten seconds. What comes of it:
//
//   - Two first messages of an id at once make two channels. What is in the one
//     that is put into the table first is lost.
//   - The consumer holds the table for reading while it waits for its workers,
//     which never end. The next id that is new waits for ever to be put into it,
//     and, as a lock lets no reader pass a waiting writer, so do all messages.
//   - Its messages overtake one another on the way to the channel.
//   - A batch that the database refuses is lost, and so is what is not written
//     when the process ends.
type channels struct {
	spawn
	times
	mu   sync.RWMutex
	byID map[string]chan message
}

func newChannels(ctx context.Context, s *store, t times) design {
	d := &channels{spawn: spawn{store: s}, times: t, byID: make(map[string]chan message)}
	d.tasks.Go(func() { d.consume(ctx) })
	return d
}

func (d *channels) receive(ctx context.Context, m message) {
	d.start(ctx, func() error {
		d.mu.RLock()
		c := d.byID[m.id]
		d.mu.RUnlock()
		if c == nil {
			c = make(chan message, batchSize)
			d.mu.Lock()
			d.byID[m.id] = c
			d.mu.Unlock()
		}
		select {
		case c <- m:
		case <-ctx.Done():
		}
		return nil
	})
}

func (d *channels) consume(ctx context.Context) {
	tick := time.NewTicker(d.look)
	defer tick.Stop()
	known := make(map[string]bool)
	for {
		select {
		case <-tick.C:
			d.lookAround(ctx, known)
		case <-ctx.Done():
			return
		}
	}
}

func (d *channels) lookAround(ctx context.Context, known map[string]bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var workers sync.WaitGroup
	for id, c := range d.byID {
		if !known[id] {
			known[id] = true
			workers.Go(func() { d.work(ctx, c) })
		}
	}
	workers.Wait()
}

func (d *channels) work(ctx context.Context, c chan message) {
	var batch []message
	for {
		select {
		case m := <-c:
			if batch = append(batch, m); len(batch) < batchSize {
				continue
			}
		case <-time.After(d.linger): // begins again with each message
		case <-ctx.Done():
			return
		}
		if len(batch) > 0 {
			d.store.counts.failed(ctx, d.store.rows(ctx, batch))
			batch = nil
		}
	}
}

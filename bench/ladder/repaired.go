package ladder

import (
	"context"
	"sync"
	"time"
)

// repaired is the fifth design with the smallest change that loses nothing and
// keeps the order:
//
//   - The handler puts a message into its channel itself, and waits while that is
//     full.
//   - One lock covers the look for a channel and its making. Who makes it starts
//     its worker, so that nobody looks around.
//   - The ten seconds begin with a batch's first message.
//   - What the database refuses is tried again, in a new transaction.
//   - At its end it closes the channels, and the workers write what is left.
//
// A batch takes two statements for each message there, as all those before do, or
// else one for each table: this is the best that the design can be as it stands.
// What it lacks is writing the batches of many ids at once.
type repaired struct {
	times
	store   *store
	batch   func(context.Context, []message) error
	mu      sync.Mutex
	byID    map[string]chan message
	workers sync.WaitGroup

	ctx    context.Context // of the database: outlasts what is read
	cancel context.CancelFunc
}

const (
	// channelSize is how many messages a channel has room for: so many that one
	// slow stream does not hold up its connection, and few enough to keep memory
	// within a bound.
	channelSize = 100

	// pause is the time between two attempts to store a batch.
	pause = 10 * time.Millisecond

	// patience is how long the end may take.
	patience = 30 * time.Second
)

func newRepairedRows(ctx context.Context, s *store, t times) design {
	return newRepaired(ctx, s, t, s.rows)
}

func newRepairedBulk(ctx context.Context, s *store, t times) design {
	return newRepaired(ctx, s, t, s.bulk)
}

func newRepaired(
	ctx context.Context, s *store, t times, batch func(context.Context, []message) error,
) *repaired {
	d := &repaired{times: t, store: s, batch: batch, byID: make(map[string]chan message)}
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return d
}

func (d *repaired) receive(_ context.Context, m message) { d.of(m.id) <- m }

func (d *repaired) of(id string) chan message {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.byID[id]
	if c == nil {
		c = make(chan message, channelSize)
		d.byID[id] = c
		d.workers.Go(func() { d.work(c) })
	}
	return c
}

func (d *repaired) work(c chan message) {
	timer := time.NewTimer(d.linger)
	defer timer.Stop()
	batch := make([]message, 0, batchSize)
	for m := range c {
		timer.Reset(d.linger)
		batch = append(batch[:0], m)
		for more := true; more && len(batch) < batchSize; {
			select {
			case m, more = <-c:
				if more {
					batch = append(batch, m)
				}
			case <-timer.C:
				more = false
			}
		}
		d.write(batch)
	}
}

func (d *repaired) write(batch []message) {
	for {
		err := d.batch(d.ctx, batch)
		if err == nil || d.ctx.Err() != nil {
			return
		}
		d.store.counts.failed(d.ctx, err)
		d.store.counts.retries.Add(1)
		select {
		case <-time.After(pause):
		case <-d.ctx.Done():
		}
	}
}

func (d *repaired) stop() {
	defer time.AfterFunc(patience, d.cancel).Stop()
	defer d.cancel()
	for _, c := range d.byID {
		close(c)
	}
	d.workers.Wait()
}

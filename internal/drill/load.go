package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// LoadConfig says what load to put on a daemon.
type LoadConfig struct {
	Run  Run
	URL  string // stays the same over restarts
	Seed uint64

	Named    int // clients with a name, which send again what was not acked
	Nameless int // clients without, which do not
	IDs      int // to which all of them send
	Rate     int // messages a second, all together; 0: as many as are taken
	Window   int // messages of one client that may be without ack; 0: enough
}

// Load is the clients at work.
type Load struct {
	Ledgers []*Ledger
	cfg     LoadConfig
	ids     []string

	quit   chan struct{} // closed: send no more
	once   sync.Once
	work   sync.WaitGroup
	cancel context.CancelFunc

	mu   sync.Mutex
	errs []error
}

// sender is one client.
type sender interface {
	// send sends n messages to id, which are the next of its ledger. It waits while
	// too many are without ack. An error ends the sender.
	send(ctx context.Context, id string, n int) error
	// finish waits until everything that will ever be acked is, and ends.
	finish(ctx context.Context) error
	// abort ends at once; after finish it does nothing.
	abort()
}

// StartLoad lets clients send until Finish.
func StartLoad(ctx context.Context, cfg LoadConfig) (*Load, error) {
	if cfg.Window == 0 {
		// What waits for the rest of its batch never fills the window.
		cfg.Window = 1000 + 10*cfg.IDs
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{cfg: cfg, ids: ids(cfg.IDs), quit: make(chan struct{}), cancel: cancel}
	for i := range cfg.Named + cfg.Nameless {
		var s sender
		var err error
		if i < cfg.Named {
			ledger := NewLedger(fmt.Sprintf("drill-%d", i+1), true)
			l.Ledgers = append(l.Ledgers, ledger)
			s, err = newNamed(ctx, cfg, ledger)
		} else {
			ledger := NewLedger(fmt.Sprintf("nameless-%d", i+1-cfg.Named), false)
			l.Ledgers = append(l.Ledgers, ledger)
			s = newNameless(cfg, ledger)
		}
		if err != nil {
			l.Close()
			return nil, err
		}
		l.work.Go(func() { l.run(ctx, s, uint64(i)) })
	}
	return l, nil
}

// run lets one sender send: a few messages to one id, a few to another.
func (l *Load) run(ctx context.Context, s sender, number uint64) {
	rng := rand.New(rand.NewPCG(l.cfg.Seed, number))
	defer s.abort()
	pace := newPace(l.cfg.Rate, l.cfg.Named+l.cfg.Nameless)
	defer pace.stop()
	for {
		n := 1 + rng.IntN(20)
		select {
		case <-l.quit:
			l.fail(s.finish(ctx))
			return
		case <-ctx.Done():
			return
		case <-pace.wait(n):
		}
		if err := s.send(ctx, l.ids[rng.IntN(len(l.ids))], n); err != nil {
			l.fail(err)
			return
		}
	}
}

func (l *Load) fail(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// Err is why clients gave up, or nil.
func (l *Load) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.errs...)
}

// Counts says how many messages were sent, acked and refused.
func (l *Load) Counts() (sent, acked, refused int64) {
	for _, x := range l.Ledgers {
		s, a, r := x.Counts()
		sent, acked, refused = sent+s, acked+a, refused+r
	}
	return sent, acked, refused
}

// Acked says how many messages were acked.
func (l *Load) Acked() int64 {
	_, acked, _ := l.Counts()
	return acked
}

// AwaitAcks waits until more than n messages are acked.
func (l *Load) AwaitAcks(ctx context.Context, n int64) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for l.Acked() <= n {
		if err := l.Err(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Finish lets the clients send no more, and waits until everything that they
// have to have acks of is acked. After it nobody is at work any more.
func (l *Load) Finish(ctx context.Context) error {
	l.once.Do(func() { close(l.quit) })
	defer context.AfterFunc(ctx, l.cancel)()
	l.work.Wait()
	l.cancel()
	if ctx.Err() != nil {
		l.fail(fmt.Errorf("wait for the last acks: %w", ctx.Err()))
	}
	return l.Err()
}

// Close ends the clients at once.
func (l *Load) Close() {
	l.once.Do(func() { close(l.quit) })
	l.cancel()
	l.work.Wait()
}

// ids are n ids, integers and strings.
func ids(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint(i + 1)
		if i%2 == 1 {
			ids[i] = fmt.Sprintf("case/%d é", i+1)
		}
	}
	return ids
}

package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ingestd/ingestd/engine"
)

// A step is what one sender does next.
type step struct {
	wait    time.Duration
	message engine.Message
	size    int // of its data
	lease   int // which of the sender's; 0: none
}

// A tenure is for how long there is a lease. Then there is another.
type tenure struct {
	lasts time.Duration
	lose  bool // it is lost before its time is over
}

// A spell is how the sink is from a moment on.
type spell struct {
	after time.Duration
	mood  string
	takes time.Duration // each Write
	part  int           // how much of a failed Write is stored
}

// TestSchedules runs random schedules: senders with their messages, a sink with
// its moods, options, updates of them, and a drain at a random moment. What always
// holds is checked at the end (see running.check).
func TestSchedules(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		options := drawOptions(rt)
		updated := drawOptions(rt)
		updated.Writers = options.Writers
		senders := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(drawStep), 1, 100), 1, 4).Draw(rt, "senders")
		spells := rapid.SliceOfN(rapid.Custom(drawSpell), 0, 6).Draw(rt, "spells")
		tenures := rapid.SliceOfN(rapid.Custom(drawTenure), 1, 8).Draw(rt, "tenures")
		drainAfter := time.Duration(rapid.IntRange(0, 60_000).Draw(rt, "drain")) * time.Millisecond
		updateAfter := time.Duration(rapid.IntRange(0, 60_000).Draw(rt, "update")) * time.Millisecond

		synctest.Test(t, func(*testing.T) {
			s := newStore()
			weather := &weather{spells: spells, began: time.Now()}
			leases := newLeases(tenures)
			s.fault = func(ctx context.Context, batches []engine.Batch) (int, error) {
				leases.check(rt, batches)
				return weather.fault(ctx, batches)
			}
			r := start(rt, s, func(o *engine.Options) { *o = options })
			var all sync.WaitGroup
			for i, steps := range senders {
				all.Go(func() { r.play(fmt.Sprint("sender", i), steps, leases) })
			}
			all.Go(func() {
				time.Sleep(updateAfter)
				if err := r.Update(updated); err != nil {
					rt.Errorf("Update: %v", err)
				}
			})
			time.Sleep(drainAfter)
			fine := weather.fine()
			r.stop()
			err := <-r.result
			all.Wait()
			leases.end()
			r.check()
			for _, o := range r.heard() {
				bad := o.Op == "bad" && (o.Kind == engine.Report || o.Kind == engine.Done)
				refused := engine.IsPermanent(o.err) && !errors.Is(o.err, engine.ErrConflict)
				if fine && o.Kind == engine.Report && errors.Is(o.err, engine.ErrUndelivered) {
					rt.Errorf("given up although the sink worked: %+v", o)
				}
				if o.err == nil && bad || refused && !bad {
					rt.Errorf("%v %q of %q: %v", o.Kind, o.Op, o.ID, o.err)
				}
			}
			if err != nil && !errors.Is(err, engine.ErrUndelivered) {
				rt.Errorf("Run: %v", err)
			}
			if err != nil && fine {
				rt.Errorf("given up although the sink worked: %v", err)
			}
			if s.closed != 1 {
				rt.Errorf("the sink was closed %d times", s.closed)
			}
		})
	})
}

// play does what a sender does, until the drain begins.
func (r *running) play(sender string, steps []step, leases *leases) {
	for _, s := range steps {
		time.Sleep(s.wait)
		m := s.message
		m.Sender = sender
		m.Lease = leases.now(s.lease)
		m.Data = bytes.Repeat([]byte("x"), s.size)
		if m.Client != "" {
			m.Client = sender
		}
		err := r.try(context.Background(), m)
		switch {
		case errors.Is(err, engine.ErrClosed):
			return
		case errors.Is(err, engine.ErrTooManyStreams), errors.Is(err, engine.ErrOverloaded):
		case err != nil:
			r.t.Errorf("Route(%v %q): %v", m.Kind, m.ID, err)
		}
	}
}

func drawOptions(t *rapid.T) engine.Options {
	o := engine.DefaultOptions()
	o.BatchSize = rapid.IntRange(1, 12).Draw(t, "batch size")
	o.BatchBytes = engine.Size(rapid.IntRange(1, 20_000).Draw(t, "batch bytes"))
	o.BatchWait = time.Duration(rapid.IntRange(1, 20_000).Draw(t, "batch wait")) * time.Millisecond
	o.IdleTimeout = time.Duration(rapid.IntRange(1, 20_000).Draw(t, "idle timeout")) * time.Millisecond
	o.MaxStreams = rapid.IntRange(1, 8).Draw(t, "max streams")
	o.MaxPending = 64 * engine.KiB
	o.RejectWhenFull = rapid.Bool().Draw(t, "reject")
	o.Writers = rapid.IntRange(1, 3).Draw(t, "writers")
	o.GroupSize = rapid.IntRange(1, 40).Draw(t, "group size")
	o.GroupBytes = engine.Size(rapid.IntRange(1, 30_000).Draw(t, "group bytes"))
	o.RetryMax = time.Second
	return o
}

func drawStep(t *rapid.T) step {
	kinds := []engine.Kind{
		engine.Report, engine.Report, engine.Report, engine.Report, engine.Report, engine.Report,
		engine.Flush, engine.Done, engine.Disconnect, engine.Resume,
	}
	m := engine.Message{
		Kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
		ID:   fmt.Sprint("id", rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 3, 4, 5, 6}).Draw(t, "id")),
	}
	if m.Kind == engine.Resume || rapid.Bool().Draw(t, "named") {
		m.Client = "the sender"
		m.Seq = int64(rapid.IntRange(1, 40).Draw(t, "seq")) // so some come twice, and some differ
	}
	m.Op = rapid.SampledFrom([]string{"", "", "", "", "", "", "bad", "stuck"}).Draw(t, "op")
	wait := rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 0, 0, 1, 100, 3000}).Draw(t, "wait")
	size := rapid.SampledFrom([]int{1, 1, 1, 1, 1, 1, 1, 100, 5000, 20_000}).Draw(t, "size")
	lease := rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2}).Draw(t, "lease")
	return step{time.Duration(wait) * time.Millisecond, m, size, lease}
}

func drawTenure(t *rapid.T) tenure {
	lasts := rapid.SampledFrom([]int{0, 1, 10, 500, 3000, 10_000, 100_000}).Draw(t, "lasts")
	return tenure{time.Duration(lasts) * time.Millisecond, rapid.Bool().Draw(t, "lose")}
}

// leases are those that senders have now: of two rights, which are lost again and
// again.
type leases struct {
	mu      sync.Mutex
	tenures []tenure
	current [2]*engine.Lease
	over    map[*engine.Lease]time.Time // when it is lost
	ended   bool
}

func newLeases(tenures []tenure) *leases {
	l := &leases{tenures: tenures, over: make(map[*engine.Lease]time.Time)}
	for i := range l.current {
		l.next(i, i)
	}
	return l
}

// next makes the lease of right i for the tenure n, and sees to it that there is
// another after it.
func (l *leases) next(i, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	t := l.tenures[n%len(l.tenures)]
	held := t.lasts
	if t.lose {
		held = time.Hour
	}
	lease := engine.NewLease(held)
	l.current[i] = lease
	l.over[lease] = time.Now().Add(t.lasts)
	time.AfterFunc(t.lasts, func() {
		if t.lose {
			lease.Lose()
		}
		time.AfterFunc(time.Second, func() { l.next(i, n+1) })
	})
}

// now gives the lease of the right i, from 1 on; none for 0.
func (l *leases) now(i int) *engine.Lease {
	if i == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current[i-1]
}

// check looks for what is written after its lease was lost.
func (l *leases) check(rt *rapid.T, batches []engine.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := func(m *engine.Message) {
		if at, ok := l.over[m.Lease]; ok && at.Before(time.Now()) {
			rt.Errorf("%v of %q is written %v after its lease was lost", m.Kind, m.ID, time.Since(at))
		}
	}
	for _, b := range batches {
		for i := range b.Messages {
			one(&b.Messages[i])
		}
		if b.Final != nil {
			one(b.Final)
		}
	}
}

func (l *leases) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for lease := range l.over {
		lease.Lose()
	}
}

func drawSpell(t *rapid.T) spell {
	return spell{
		after: time.Duration(rapid.IntRange(0, 20_000).Draw(t, "after")) * time.Millisecond,
		mood:  rapid.SampledFrom([]string{"fine", "down", "blocked", "stuck", "stuck", "rejects", "refuses", "hangs"}).Draw(t, "mood"),
		takes: time.Duration(rapid.SampledFrom([]int{0, 1, 50, 2000}).Draw(t, "takes")) * time.Millisecond,
		part:  rapid.IntRange(0, 30).Draw(t, "part"),
	}
}

// weather is how the sink is over time.
type weather struct {
	spells []spell
	began  time.Time
}

func (w *weather) now() spell {
	now := spell{mood: "fine"}
	at := w.began
	for _, s := range w.spells {
		if at = at.Add(s.after); time.Now().Before(at) {
			break
		}
		now = s
	}
	return now
}

// fine tells whether the sink works from now on for good.
func (w *weather) fine() bool {
	now := w.now()
	return len(w.spells) == 0 ||
		now == w.spells[len(w.spells)-1] && now.mood != "down" && now.mood != "blocked" && now.mood != "stuck" &&
			now.mood != "hangs" && now.takes <= time.Millisecond
}

func (w *weather) fault(ctx context.Context, batches []engine.Batch) (int, error) {
	s := w.now()
	if s.mood == "hangs" {
		s.mood, s.takes = "down", 20*time.Second
	}
	timer := time.NewTimer(s.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return s.part, ctx.Err()
	}
	switch s.mood {
	case "down":
		return s.part, errDown
	case "blocked":
		return 0, engine.Blocked(errors.New("no such table"))
	}
	refuse := func(i, j int, m engine.Message) error {
		switch {
		case s.mood != "refuses" && m.Op == "bad":
			return engine.Reject(i, j, errors.New("too long"))
		case m.Op == "bad":
			return engine.Permanent(errors.New("too long"))
		}
		return nil
	}
	err := each(batches, refuse)
	for i, b := range batches {
		if err == nil && b.Final != nil {
			err = refuse(i, len(b.Messages), *b.Final)
		}
	}
	if err == nil && s.mood == "stuck" { // once the bad ones are out of the way
		err = each(batches, func(_, _ int, m engine.Message) error {
			if m.Op == "stuck" {
				return errDown
			}
			return nil
		})
	}
	return s.part, err
}

package engine

import (
	"math"
	"sync/atomic"
	"time"
)

// clock closes batches when their linger is over, forgets streams that are idle for
// long enough, and tells the log of refused messages: one goroutine and one timer
// for all lanes.
type clock struct {
	start time.Time    // the instants of lanes are nanoseconds after it
	due   atomic.Int64 // when the goroutine wakes next; math.MaxInt64 while it looks
	poke  chan struct{}
	asked chan struct{} // the goroutine receives from it to show that it comes round
}

func (c *clock) init() {
	c.start = time.Now()
	c.poke = make(chan struct{}, 1)
	c.asked = make(chan struct{})
	c.due.Store(math.MaxInt64)
}

// now is monotonic: steps of the system's clock don't show in it.
func (c *clock) now() int64 { return int64(time.Since(c.start)) }

// after is the instant d after t. Some durations are as good as for ever.
func after(t int64, d time.Duration) int64 {
	if sum := t + int64(d); sum >= t {
		return sum
	}
	return math.MaxInt64
}

// wakeBy sees to it that the clock looks again at t at the latest.
func (c *clock) wakeBy(t int64) {
	if t < c.due.Load() {
		select {
		case c.poke <- struct{}{}:
		default: // a poke is on its way already
		}
	}
}

// never is an instant that does not come.
const never = int64(math.MaxInt64) / 2

// tick is the clock's goroutine.
func (e *Engine) tick(stop <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-e.clock.poke:
		case <-e.clock.asked:
			continue
		case <-stop:
			return
		}
		// While it looks, every new deadline pokes: one may come up in a shard
		// that has been looked at already.
		e.clock.due.Store(math.MaxInt64)
		now := e.clock.now()
		next := e.sweep(now)
		e.clock.due.Store(next)
		timer.Reset(time.Duration(max(next-now, int64(time.Millisecond))))
	}
}

// sweep does what is due by now, and tells when something is due next.
func (e *Engine) sweep(now int64) int64 {
	o := e.opts.Load()
	next := e.refusedLines.tell(e.log, &e.clock, now)
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		for l := s.collecting.front; l != nil; l = s.collecting.front {
			if due := after(l.since, o.BatchWait); due > now {
				next = min(next, due)
				break
			}
			s.close(l, &s.stats.Flushes.Linger)
		}
		for l := s.idle.front; l != nil; l = s.idle.front {
			if due := after(l.since, o.IdleTimeout); due > now {
				next = min(next, due)
				break
			}
			s.retire(l)
		}
		s.mu.Unlock()
	}
	return next
}

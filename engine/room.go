package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// room bounds what is accepted and not yet settled. Whoever finds no room waits
// in line, so that a large message is not overtaken for ever by small ones.
type room struct {
	used    atomic.Int64
	max     atomic.Int64
	waiting atomic.Int64 // how many are in line
	wanted  atomic.Int64 // by all in line
	refused atomic.Bool  // somebody was turned away, and there has been little room since

	mu        sync.Mutex // guards what follows
	line      []*waiter
	fullSince time.Time
}

type waiter struct {
	cost    int64
	granted chan struct{}
}

// tryTake takes c at once, if there is room and nobody waits.
func (r *room) tryTake(c int64) bool { return r.waiting.Load() == 0 && r.fit(c) }

func (r *room) fit(c int64) bool {
	for {
		used := r.used.Load()
		if used+c > r.max.Load() {
			return false
		}
		if r.used.CompareAndSwap(used, used+c) {
			return true
		}
	}
}

// queue puts a taker of c in line.
func (r *room) queue(c int64) *waiter {
	w := &waiter{cost: c, granted: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fullSince.IsZero() {
		r.fullSince = time.Now()
	}
	// Counted before the line is served, so that whoever gives room after that
	// sees that somebody waits for it.
	r.waiting.Add(1)
	r.line = append(r.line, w)
	r.wanted.Add(c)
	r.serve()
	return w
}

// wait waits until w has its room. Where it returns an error, w has none.
func (r *room) wait(ctx context.Context, w *waiter, closing <-chan struct{}) error {
	var err error
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-closing:
		err = ErrClosed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, other := range r.line {
		if other == w {
			r.leave(i)
			r.serve()
			return err
		}
	}
	r.used.Add(-w.cost) // granted meanwhile
	r.serve()
	return err
}

// give gives back what was taken.
func (r *room) give(c int64) {
	used, limit := r.used.Add(-c), r.max.Load()
	if r.waiting.Load() == 0 && !r.refused.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serve()
	if used <= limit-limit/8 && r.refused.Swap(false) && len(r.line) == 0 {
		r.fullSince = time.Time{}
	}
}

// refuse notes that somebody was turned away instead of put in line.
func (r *room) refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fullSince.IsZero() {
		r.fullSince = time.Now()
	}
	r.refused.Store(true)
}

// resize changes the bound.
func (r *room) resize(limit int64) {
	r.max.Store(limit)
	r.give(0)
}

// fitAlone takes c, more than the bound allows since that was lowered, while
// nothing else is pending: whoever is in line already is not left there.
func (r *room) fitAlone(c int64) bool { return c > r.max.Load() && r.used.CompareAndSwap(0, c) }

// serve grants room to the first in line. r.mu is held.
func (r *room) serve() {
	for len(r.line) > 0 && (r.fit(r.line[0].cost) || r.fitAlone(r.line[0].cost)) {
		close(r.line[0].granted)
		r.leave(0)
	}
}

// leave takes number i out of the line. r.mu is held.
func (r *room) leave(i int) {
	r.wanted.Add(-r.line[i].cost)
	if i == 0 {
		r.line[0] = nil
		r.line = r.line[1:]
	} else {
		r.line = slices.Delete(r.line, i, i+1)
	}
	r.waiting.Add(-1)
	if len(r.line) == 0 && !r.refused.Load() {
		r.fullSince = time.Time{}
	}
}

// since tells since when senders have had to wait, or were turned away; zero: there
// is room.
func (r *room) since() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fullSince
}

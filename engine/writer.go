package engine

import (
	"cmp"
	"math/bits"
	"slices"
	"sync"
	"time"
)

// A writer is a goroutine that calls Sink.Write with what its streams have ready,
// many streams at a time. It never waits for a stream: after a failure it is the
// lane's goroutine that waits, and the writer goes on with the others.
//
// After outageAfter failures with nothing stored in between it takes the sink for
// broken. Then it tries one message at a time, of those streams first that have
// failed least, and ever more slowly, down to one in outagePace: streams that
// cannot be stored do not hide that others could be, and a broken sink is not
// stormed.
type writer struct {
	engine *Engine

	turns

	mu          sync.Mutex // guards the queue; a shard's lock may be taken within it
	front, back *delivery
	wake        chan struct{} // somebody came to the queue

	// touching is held by the goroutine while it may touch deliveries, which is
	// always but while it waits or is in Write. See enter.
	touching sync.Mutex

	// The rest belongs to the writer's goroutine.
	group    []*delivery
	spans    []span
	batches  []Batch
	places   []span    // where the batches' messages are
	tries    int       // how often the sink may fail before the group is given back
	allowed  int       // what tries is set to by a success
	failures int       // transient failures since the last success
	lastErr  error     // the last of them
	next     time.Time // not before, while the sink is taken for broken
}

const (
	outageAfter  = 3
	outagePace   = time.Second
	outageProbes = 32 // after so many, the time between them is doubled
)

// broken tells whether the sink is taken for broken.
func (w *writer) broken() bool { return w.failures >= outageAfter }

// push hands d to the writer, which answers at d.done.
func (w *writer) push(d *delivery) {
	w.mu.Lock()
	if w.back == nil {
		w.front = d
	} else {
		w.back.next = d
	}
	w.back = d
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run is the writer's goroutine.
func (w *writer) run(stop <-chan struct{}) {
	for {
		w.pace()
		if !w.enter() {
			return
		}
		w.gather()
		if len(w.group) == 0 {
			w.touching.Unlock()
			select {
			case <-w.wake:
			case <-stop:
				return
			}
			continue
		}
		if !w.deliver() {
			return
		}
		w.touching.Unlock()
	}
}

// enter lets the writer's goroutine touch deliveries. Once the engine has given up
// on a sink that hangs, the deliveries are no longer the writer's: then it returns
// false.
func (w *writer) enter() bool {
	w.touching.Lock()
	select {
	case <-w.engine.hung:
		w.touching.Unlock()
		return false
	default:
		return true
	}
}

// expel waits until the goroutine touches no delivery. hung is closed, so it will
// touch none again.
func (w *writer) expel() {
	w.touching.Lock()
	defer w.touching.Unlock()
}

// pace waits while the sink is taken for broken.
func (w *writer) pace() {
	if !w.broken() {
		return
	}
	timer := time.NewTimer(time.Until(w.next))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.engine.abandoned:
	}
}

// gather takes a group from the queue, and from the lanes what the deliveries are
// to carry: only now, so that all is joined that got ready while they waited.
func (w *writer) gather() {
	o := w.engine.opts.Load()
	count, bytes := o.GroupSize, int64(o.GroupBytes)
	w.group = w.group[:0]
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken() {
		w.promote()
	}
	for d := w.front; d != nil && (len(w.group) == 0 || count > 0 && bytes > 0 && !w.broken()); d = w.front {
		if len(d.msgs) == 0 {
			s := d.lane.shard
			s.mu.Lock()
			fits := len(w.group) == 0 || int64(len(d.lane.head.Data)) <= bytes
			if fits {
				d.fetch(count, bytes)
			}
			s.mu.Unlock()
			if !fits {
				break
			}
		} else if len(w.group) > 0 && (len(d.msgs) > count || d.bytes() > bytes) {
			break
		}
		count -= len(d.msgs)
		bytes -= d.bytes()
		w.group = append(w.group, d)
		if w.front = d.next; w.front == nil {
			w.back = nil
		}
		d.next = nil
	}
}

// promote puts the delivery in front that has failed least. w.mu is held.
func (w *writer) promote() {
	best, before := w.front, (*delivery)(nil)
	for prev := w.front; prev != nil && prev.next != nil; prev = prev.next {
		if prev.next.attempts < best.attempts {
			best, before = prev.next, prev
		}
	}
	if before == nil {
		return
	}
	if before.next = best.next; before.next == nil {
		w.back = before
	}
	best.next, w.front = w.front, best
}

// deliver stores the group as far as that goes, and gives the deliveries back. It
// returns false if the sink did not come back before the engine gave up on it; then
// w.touching is not held any more.
func (w *writer) deliver() bool {
	slices.SortFunc(w.group, func(a, b *delivery) int { return cmp.Compare(a.lane.id, b.lane.id) })
	w.spans = w.spans[:0]
	total, failed := 0, false
	for _, d := range w.group {
		d.failure = nil
		failed = failed || d.attempts > 0
		total += len(d.msgs)
		w.spans = append(w.spans, span{d, 0, len(d.msgs)})
	}
	// A first failure is most likely the sink's, a second one may be a batch's.
	w.allowed = 1
	if failed {
		w.allowed = bits.Len(uint(total)) + 2 // enough to get down to one message
	}
	if !w.try() {
		return false
	}
	if w.broken() {
		shift := min((w.failures-outageAfter)/outageProbes, 10)
		w.next = time.Now().Add(min(outagePace, w.engine.opts.Load().RetryMin<<shift))
	}
	for _, d := range w.group {
		if d.upto > 0 {
			d.attempts = 0
		}
		if d.failure != nil {
			d.attempts++
		}
		d.done <- struct{}{}
	}
	return true
}

// try stores the spans of the group; while the sink is taken for broken, first one
// message alone.
func (w *writer) try() bool {
	if s := w.spans[0]; w.broken() && s.hi > 1 {
		w.tries = 1
		if !w.store([]span{{s.d, 0, 1}}) {
			return false
		}
		if s.d.failure != nil {
			return true
		}
		w.spans[0].lo = 1
	}
	w.tries = w.allowed
	return w.store(w.spans)
}

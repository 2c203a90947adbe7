package engine

import (
	"cmp"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// A writer is a goroutine that calls Sink.Write with what its streams have ready,
// many streams at a time. It never waits for a stream: after a failure the lane gets
// a goroutine that waits, and the writer goes on with the others. What became of a
// group is told by a second goroutine, see settle.
//
// What has failed is kept from what has not: by turns the writer takes a group of
// one and of the other. A group that fails for the second time is halved until those
// stand alone that fail. These are suspects from then on: they are tried one at a
// time, and for a fifth of the writer's time at most, so that streams that cannot be
// stored take neither company nor much time from the others, even if each try takes
// long.
//
// After outageAfter failures with nothing stored in between the writer takes the
// sink for broken. Then it tries one message at a time, of those streams first that
// have failed least, and ever more slowly, down to one in outagePace: a broken sink
// is not stormed.
type writer struct {
	engine *Engine

	turns

	mu       sync.Mutex    // guards the queues; may be taken within a shard's lock
	ready    laneLine      // those that have something ready, and nothing that has failed
	retried  deliveryQueue // those that have failed in company
	suspects deliveryQueue // those that have failed alone
	flushes  laneLine      // those whose first message is a flush
	left     bool          // the engine gave up on the sink: nothing comes to a queue
	wake     chan struct{} // somebody came to one of the first three
	flushed  chan struct{} // somebody came to flushes

	figures figures

	written chan []*delivery // to settle; without a buffer, so that the last one is settled then
	asked   chan struct{}    // the settler receives from it to show that it comes round

	closing chan struct{} // the engine's, until rest has seen that it is closed

	// touching is held by the goroutine while it may touch deliveries, which is
	// always but while it waits or is in Write. See enter.
	touching sync.Mutex

	// The rest belongs to the writer's goroutine.
	fresh     []waiting // lanes that are ready, taken from the queue
	spare     []waiting // what fresh is a part of, to be used again
	group     []*delivery
	other     []*delivery // the last group, which is being settled
	spans     []span
	batches   []Batch
	places    []span    // where the batches' messages are
	leases    []*Lease  // those of the batches' messages
	wrote     bool      // something of the group was given to the sink
	tries     int       // how often the sink may fail before the group is given back
	allowed   int       // what tries is set to by a success
	failures  int       // transient failures since the last success
	lastErr   error     // the last of them
	stored    bool      // something of the group was stored
	next      time.Time // no group before, while the sink is taken for broken
	extra     bool      // the group is a suspect that others do not wait for
	suspectAt time.Time // no suspect before
	due       time.Time // when a suspect is to be tried that gather has left; zero: it has left none
	turned    bool      // whose turn it is: fresh ones or retried ones
}

const (
	outageAfter  = 3
	outagePace   = time.Second
	outageProbes = 32 // after so many, the time between them is doubled

	// descent is how often the sink may fail in a row while a group is halved,
	// beyond what it takes to get down to one message: neighbours may be bad, too.
	descent = 64

	// suspectRest is how much longer than the try of a suspect the writer has
	// nothing to do with suspects after it.
	suspectRest = 4

	// drainRest is how long it waits for them in a drain, which has no time for more.
	drainRest = time.Second
)

// broken tells whether the sink is taken for broken.
func (w *writer) broken() bool { return w.failures >= outageAfter }

// run is the writer's goroutine.
func (w *writer) run(stop <-chan struct{}) {
	for {
		if w.broken() {
			w.rest(w.next, nil, nil)
		}
		if !w.enter() {
			return
		}
		w.gather()
		if len(w.group) > 0 {
			if !w.deliver() {
				return
			}
			w.touching.Unlock()
			continue
		}
		w.touching.Unlock()
		if !w.rest(w.due, w.wake, stop) {
			return
		}
	}
}

// rest waits until t, or for something on wake; where t is zero, for that alone. It
// returns false on stop. A t that has come by now is no other case: whoever looked
// at the clock before may have left something for it.
func (w *writer) rest(t time.Time, wake, stop <-chan struct{}) bool {
	var due <-chan time.Time
	if !t.IsZero() || wake == nil {
		timer := time.NewTimer(time.Until(t))
		defer timer.Stop()
		due = timer.C
	}
	abandoned := w.engine.abandoned
	if due == nil {
		abandoned = nil // nothing is waited for that an end of the drain would change
	}
	select {
	case <-due:
	case <-wake:
	case <-w.closing:
		w.closing = nil // gather waits less for suspects now
	case <-abandoned:
		w.suspectAt = time.Time{}
	case <-stop:
		return false
	}
	return true
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

// expel waits until the goroutine touches no delivery, and keeps those that it has
// for the end of the drain. hung is closed, so it will touch none again.
func (w *writer) expel() {
	w.touching.Lock()
	defer w.touching.Unlock()
	w.mu.Lock()
	w.left = true
	w.mu.Unlock()
	for w.refill() {
		for _, f := range w.fresh {
			w.engine.leave(w.engine.newDelivery(f.lane))
		}
		w.fresh = nil
	}
	for _, q := range []*deliveryQueue{&w.retried, &w.suspects} {
		for d := q.pop(); d != nil; d = q.pop() {
			w.engine.leave(d)
		}
	}
	for _, d := range w.group {
		w.engine.leave(d)
	}
}

// deliver stores the group as far as that goes, and has it settled. It returns false
// if the sink did not come back before the engine gave up on it; then w.touching is
// not held any more.
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
		w.allowed = bits.Len(uint(total)) + descent
	}
	suspect, began := w.group[0].suspect, time.Now()
	w.stored, w.wrote = false, false
	if !w.try() {
		return false
	}
	if suspect {
		now := time.Now()
		w.suspectAt = now.Add(suspectRest * now.Sub(began))
	}
	if w.broken() && w.wrote && !w.extra {
		shift := min((w.failures-outageAfter)/outageProbes, 10)
		w.next = time.Now().Add(min(outagePace, w.engine.opts.Load().RetryMin<<shift))
	}
	for _, d := range w.group {
		w.judge(d)
		d.tried = d.attempts + 1
		if d.upto > 0 {
			d.attempts = 0
		}
		if d.failure != nil {
			d.attempts++
		}
	}
	group := w.group
	w.group, w.other = w.other[:0], group
	w.written <- group
	return true
}

// try stores the spans of the group. Of a suspect, and while the sink is taken for
// broken, it tries one message alone first.
func (w *writer) try() bool {
	w.spans = w.fence(w.spans)
	if len(w.spans) == 0 {
		return true
	}
	if s := w.spans[0]; (w.broken() || s.d.suspect) && s.hi-s.lo > 1 {
		w.tries = 1
		if !w.store([]span{{s.d, s.lo, s.lo + 1}}) {
			return false
		}
		if s.d.failure != nil {
			return true
		}
		w.spans[0].lo++
	}
	w.tries = w.allowed
	return w.store(w.spans)
}

// judge says of a delivery that was tried whether it is a suspect now. That is told
// once others of its group have been stored: before, it may be the sink.
func (w *writer) judge(d *delivery) {
	switch {
	case d.failure == nil:
		switch {
		case d.told && d.allFenced():
			w.engine.log.Info("stream is not tried any more: its lease was lost", "id", hclog.Quote(d.lane.id))
		case d.told:
			w.engine.log.Info("stream is stored again", "id", hclog.Quote(d.lane.id), "attempts", d.attempts)
		}
		d.suspect, d.told = false, false
	case d.suspect && w.stored && !d.told:
		w.engine.log.Warn("stream cannot be stored: trying again", "id", hclog.Quote(d.lane.id), "error", d.failure)
		d.told = true
	}
}

package engine

import "time"

// A deliveryQueue is a first-in first-out queue of deliveries.
type deliveryQueue struct{ front, back *delivery }

func (q *deliveryQueue) push(d *delivery) {
	if q.back == nil {
		q.front = d
	} else {
		q.back.next = d
	}
	q.back = d
}

// take removes d, which comes after before; nil: it is the first.
func (q *deliveryQueue) take(d, before *delivery) {
	if before == nil {
		q.front = d.next
	} else {
		before.next = d.next
	}
	if q.back == d {
		q.back = before
	}
	d.next = nil
}

// pop removes the first, or gives nil.
func (q *deliveryQueue) pop() *delivery {
	d := q.front
	if d != nil {
		q.take(d, nil)
	}
	return d
}

// enqueue gives the writer a lane that has got ready. The shard's lock is held.
func (w *writer) enqueue(l *lane) {
	w.mu.Lock()
	switch {
	case w.left:
		w.mu.Unlock()
		w.engine.leave(w.engine.newDelivery(l))
		return
	case l.head.Kind == Flush: // nothing stands before it
		w.flushes.push(l)
		w.mu.Unlock()
		poke(w.flushed)
	default:
		w.ready.push(l)
		w.mu.Unlock()
		poke(w.wake)
	}
}

// push gives the writer what could not be stored before.
func (w *writer) push(d *delivery) {
	w.mu.Lock()
	switch {
	case w.left:
		w.mu.Unlock()
		w.engine.leave(d)
		return
	case d.suspect:
		w.suspects.push(d)
	default:
		w.retried.push(d)
	}
	w.mu.Unlock()
	poke(w.wake)
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is on its way already
	}
}

// takeFlush takes a lane whose first message is a flush, or gives nil.
func (w *writer) takeFlush() *lane {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushes.pop()
}

// gather takes a group from the queues, and from the lanes what is ready: only now,
// so that all is joined that got ready while they waited.
func (w *writer) gather() {
	w.extra, w.due = false, time.Time{}
	o := w.engine.opts.Load()
	count, bytes := o.GroupSize, int64(o.GroupBytes)
	if w.broken() {
		w.probe(count, bytes)
		return
	}
	retried, suspects := w.failed()
	if suspects {
		now := time.Now()
		if most := now.Add(drainRest); w.engine.draining() && w.suspectAt.After(most) {
			w.suspectAt = most
		}
		if !now.Before(w.suspectAt) {
			w.rejoin(&w.suspects, 1, 0)
			return
		}
		w.due = w.suspectAt
	}
	if w.turned = !w.turned; retried && (w.turned || !w.refill()) {
		w.rejoin(&w.retried, count, bytes)
		return
	}
	for count > 0 && bytes > 0 && w.refill() {
		d := w.fetch(w.fresh[0].lane, count, bytes)
		if d == nil {
			break
		}
		w.takeFresh(false)
		count -= len(d.msgs)
		bytes -= d.bytes()
	}
}

// failed tells whether there are any in the queues of those that have failed. It is
// the writer that takes them from there, so they stay.
func (w *writer) failed() (retried, suspects bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.retried.front != nil, w.suspects.front != nil
}

// rejoin moves from q to the group what fits of those that have failed before. The
// first always fits.
func (w *writer) rejoin(q *deliveryQueue, count int, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d := q.front; d != nil; d = q.front {
		count -= len(d.msgs)
		bytes -= d.bytes()
		if len(w.group) > 0 && (count < 0 || bytes < 0) {
			return
		}
		w.group = append(w.group, q.pop())
	}
}

// fetch takes what fits of a lane's ready messages to the group. The first of the
// group always fits; where nothing does it gives nil.
func (w *writer) fetch(l *lane, count int, bytes int64) *delivery {
	l.shard.mu.Lock()
	defer l.shard.mu.Unlock()
	if len(w.group) > 0 && int64(len(l.head.Data)) > bytes {
		return nil
	}
	d := w.engine.newDelivery(l)
	d.fetch(count, bytes)
	l.state = writing
	w.group = append(w.group, d)
	return d
}

// probe makes a group of one delivery: of those that have failed least by turns the
// one that came first and the one that came last, and every fourth time a suspect,
// for which nobody else has to wait longer.
func (w *writer) probe(count int, bytes int64) {
	last := w.failures%2 == 0
	fresh := w.refill()
	retried, suspects := w.failed()
	w.extra = (fresh || retried) && suspects && w.failures%4 == 3
	switch {
	case w.extra, !fresh && !retried:
		w.rejoinLeast(&w.suspects, last)
	case fresh:
		w.fetch(w.takeFresh(last), count, bytes) // the first of a group always fits
	default:
		w.rejoinLeast(&w.retried, last)
	}
}

// rejoinLeast moves from q to the group one of those that have failed least, if
// there are any: the one that came first, or last.
func (w *writer) rejoinLeast(q *deliveryQueue, last bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var best, before *delivery
	for prev, d := (*delivery)(nil), q.front; d != nil; prev, d = d, d.next {
		if d.leased && d.msgs[0].Lease.isLost() { // it needs no try, and they may be many
			best, before = d, prev
			break
		}
		if best == nil || d.attempts < best.attempts || d.attempts == best.attempts && last {
			best, before = d, prev
		}
	}
	if best != nil {
		q.take(best, before)
		w.group = append(w.group, best)
	}
}

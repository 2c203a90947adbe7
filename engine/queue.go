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

// push hands d to the writer, which answers at d.done.
func (w *writer) push(d *delivery) {
	w.mu.Lock()
	switch {
	case d.suspect:
		w.suspects.push(d)
	case d.attempts > 0:
		w.retried.push(d)
	default:
		w.fresh.push(d)
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// gather takes a group from the queues, and from the lanes what the deliveries are
// to carry: only now, so that all is joined that got ready while they waited.
func (w *writer) gather() {
	w.group, w.extra = w.group[:0], false
	w.mu.Lock()
	defer w.mu.Unlock()
	o := w.engine.opts.Load()
	count, bytes := o.GroupSize, int64(o.GroupBytes)
	if w.broken() {
		w.probe(count, bytes)
		return
	}
	if d := w.suspects.front; d != nil && !time.Now().Before(w.suspectAt) {
		w.suspects.take(d, nil)
		w.join(d, count, bytes)
		return
	}
	q, other := &w.fresh, &w.retried
	if w.turned = !w.turned; w.turned {
		q, other = other, q
	}
	if q.front == nil {
		q = other
	}
	for count > 0 && bytes > 0 && q.front != nil {
		d := q.front
		if !w.join(d, count, bytes) {
			break
		}
		q.take(d, nil)
		count -= len(d.msgs)
		bytes -= d.bytes()
	}
}

// join adds d to the group, with what fits of it. The first always fits.
func (w *writer) join(d *delivery, count int, bytes int64) bool {
	first := len(w.group) == 0
	if len(d.msgs) > 0 { // it has failed before
		if !first && (len(d.msgs) > count || d.bytes() > bytes) {
			return false
		}
	} else {
		s := d.lane.shard
		s.mu.Lock()
		defer s.mu.Unlock()
		if !first && int64(len(d.lane.head.Data)) > bytes {
			return false
		}
		d.fetch(count, bytes)
	}
	w.group = append(w.group, d)
	return true
}

// probe makes a group of one delivery: of those that have failed least by turns the
// one that came first and the one that came last, and every fourth time a suspect,
// for which nobody else has to wait longer. w.mu is held.
func (w *writer) probe(count int, bytes int64) {
	q := &w.fresh
	if q.front == nil {
		q = &w.retried
	}
	w.extra = q.front != nil && w.suspects.front != nil && w.failures%4 == 3
	if q.front == nil || w.extra {
		q = &w.suspects
	}
	var best, before *delivery
	for prev, d := (*delivery)(nil), q.front; d != nil; prev, d = d, d.next {
		if best == nil || d.attempts < best.attempts || d.attempts == best.attempts && w.failures%2 == 0 {
			best, before = d, prev
		}
	}
	if best != nil {
		q.take(best, before)
		w.join(best, count, bytes)
	}
}

package engine

import (
	"math/rand/v2"
	"time"

	"github.com/hashicorp/go-hclog"
)

// deliver is a lane's goroutine. It is made when a batch of the lane gets ready,
// and ends when none is left; before it ends, it takes the place of those that
// wait for a turn.
func (e *Engine) deliver(l *lane) {
	defer e.delivering.Done()
	for ; l != nil; l = l.writer.nextTurn() {
		e.deliverLane(l)
	}
}

// deliverLane hands what is ready to the lane's writer, waits for the outcome,
// settles it, and waits out the backoff after a failure, until nothing is ready or
// it is the turn of another lane.
func (e *Engine) deliverLane(l *lane) {
	d := e.newDelivery(l)
	for first := true; ; first = false {
		if len(d.msgs) == 0 && !e.begin(d, first) {
			e.release(d)
			return
		}
		if d.upto == 0 {
			l.writer.push(d)
			select {
			case <-d.done:
			case <-e.hung:
				e.leave(d)
				return
			}
		}
		if !e.keepRefused(d) {
			e.settle(d)
			e.leave(d)
			return
		}
		e.settle(d)
		if d.failure != nil && !e.backoff(d, d.attempts) {
			e.leave(d)
			return
		}
	}
}

// begin tells whether there is something to deliver now. Flushes that nothing
// stands before are settled without the sink.
func (e *Engine) begin(d *delivery, first bool) bool {
	l := d.lane
	l.shard.mu.Lock()
	defer l.shard.mu.Unlock()
	if l.ready > 0 {
		if !first && l.writer.yield(l) {
			return false
		}
		if l.head.Kind == Flush {
			d.fetch(1, 0)
			d.upto = 1
		}
		return true
	}
	l.delivering = false
	if l.openCount > 0 {
		return false
	}
	o := e.opts.Load()
	if e.streams.Load() > int64(o.MaxStreams) { // it was made for a control message
		l.shard.retire(l)
		return false
	}
	l.since = e.clock.now()
	l.shard.idle.push(l)
	e.clock.wakeBy(after(l.since, o.IdleTimeout))
	return false
}

// settle tells the producers what became of the first messages of d, and makes
// room for others.
func (e *Engine) settle(d *delivery) {
	if d.upto == 0 {
		return
	}
	var reports, refused, room int64
	for i := range d.msgs[:d.upto] {
		if d.msgs[i].Kind != Report {
			continue
		}
		reports++
		room += cost(&d.msgs[i])
		if len(d.refusals) > 0 && d.refused(i) != nil {
			refused++
		}
	}
	l := d.lane
	l.shard.mu.Lock()
	stats := &l.shard.stats
	stats.Refused += uint64(refused)
	stats.Duplicates += uint64(d.duplicates)
	stats.Stored += uint64(reports - refused - int64(d.duplicates))
	l.cost -= room
	if l.cost <= int64(e.opts.Load().MaxPending)/16 {
		l.wakeSenders()
	}
	l.shard.mu.Unlock()

	d.runs(func(p Producer, ms []Message, r Result, err error) {
		if err != nil {
			e.log.Warn("message refused", "id", hclog.Quote(ms[0].ID), "seq", ms[0].Seq,
				"client", hclog.Quote(ms[0].Client), "kind", ms[0].Kind, "error", err)
		}
		if p != nil {
			p.Settled(ms, r, err)
		}
	})
	d.forget()
	e.room.give(room)
}

// backoff waits before d is tried again, after so many failures. It tells whether
// there is a next time.
func (e *Engine) backoff(d *delivery, failures int) bool {
	o := e.opts.Load()
	most := o.RetryMax
	if shift := failures - 1; shift < 32 && o.RetryMin<<shift>>shift == o.RetryMin {
		most = min(most, o.RetryMin<<shift)
	}
	closing := e.closing
	select {
	case <-closing: // a drain has no time for long waits
		most = min(most, time.Second)
		closing = nil
	default:
	}
	d.lane.writer.pause()
	defer d.lane.writer.resume()
	timer := time.NewTimer(rand.N(most) + 1)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-closing:
	case <-e.abandoned:
		return false
	}
	return true
}

package engine

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/ingestd/ingestd/internal/seedbug"
	"github.com/ingestd/ingestd/internal/tally"
)

// settle is the goroutine that tells what became of the writer's groups, one after
// the other, while the writer is with the next. So the streams that are stored need
// no goroutine of their own; what has failed gets one.
func (w *writer) settle(stop <-chan struct{}) {
	for {
		select {
		case group := <-w.written:
			w.settleGroup(group)
		case <-w.flushed:
			w.settleFlushes()
		case <-w.asked:
		case <-stop:
			return
		}
	}
}

func (w *writer) settleGroup(group []*delivery) {
	room, now := int64(0), time.Now()
	for _, d := range group {
		if d.failure != nil || len(d.refusals) > 0 {
			w.start(d)
			continue
		}
		room += w.engine.settle(d, now)
		w.engine.next(d)
	}
	clear(group)
	// At once for all: whoever waits for room goes on for as long as that lasts,
	// instead of one message at a time.
	w.engine.room.give(room)
}

// mostFlushes is how many flushes are settled before it is the groups' turn: clients
// that send nothing else could keep their line full for ever.
const mostFlushes = 256

// settleFlushes settles flushes that nothing stands before. They need no sink.
func (w *writer) settleFlushes() {
	for range mostFlushes {
		l := w.takeFlush()
		if l == nil {
			return
		}
		d := w.engine.newDelivery(l)
		l.shard.mu.Lock()
		d.fetch(1, 0)
		l.shard.mu.Unlock()
		if d.leased && !d.msgs[0].Lease.Held() {
			d.nodes[0].fenced = true
		}
		d.upto = 1
		w.engine.settle(d, time.Time{}) // there is no message in it
		w.engine.next(d)
	}
	poke(w.flushed)
}

// mend is a lane's goroutine. It is made when the lane's messages could not be
// stored, or were refused, and ends when they are the writer's again or the lane is
// done with them; before it ends, it takes the place of those that wait for a turn.
func (e *Engine) mend(d *delivery) {
	defer e.delivering.Done()
	for w := d.lane.writer; d != nil; d = w.nextTurn() {
		e.mendOne(d)
	}
}

// mendOne keeps what was refused, settles what is stored or refused, and waits out
// the backoff after a failure.
func (e *Engine) mendOne(d *delivery) {
	d.lane.note(d.failure)
	now := time.Now() // what is stored is stored already, however long the letters take
	keeps := e.keepRefused(d)
	e.room.give(e.settle(d, now))
	if !keeps || d.failure != nil && !e.backoff(d, d.attempts) {
		e.leave(d)
		return
	}
	e.next(d)
}

// next goes on with the lane of d: with what is left of d, or with what is ready
// besides.
func (e *Engine) next(d *delivery) {
	if len(d.msgs) > 0 {
		d.lane.writer.push(d)
		return
	}
	l := d.lane
	e.release(d)
	l.shard.mu.Lock()
	more := l.goOn()
	l.shard.mu.Unlock()
	if !more {
		e.delivering.Done()
	}
}

// goOn puts a lane whose delivery is over where it belongs now, and tells whether
// it has more ready. The shard's lock is held.
func (l *lane) goOn() bool {
	if l.ready > 0 {
		l.state = ready
		l.writer.enqueue(l)
		return true
	}
	l.delivering = false
	if l.openCount > 0 {
		return false
	}
	e := l.shard.engine
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

// settle tells the producers what became of the first messages of d, which were
// stored by now. It returns the room that they had, which is to be given back.
func (e *Engine) settle(d *delivery, now time.Time) (room int64) {
	if d.upto == 0 {
		return 0
	}
	var reports, refused, fenced int64
	var storedAfter tally.Tally
	at := now.UnixNano()
	for i := range d.msgs[:d.upto] {
		if d.msgs[i].Kind != Report {
			continue
		}
		reports++
		room += cost(&d.msgs[i])
		if d.fenced(i) {
			fenced++
			continue
		}
		if len(d.refusals) > 0 && d.refused(i) != nil {
			refused++
			continue
		}
		if !d.msgs[i].Replayed || seedbug.Is("engine-replay-is-latency") {
			storedAfter.Add(ages, at-d.msgs[i].Received.UnixNano())
		}
	}
	l := d.lane
	l.shard.mu.Lock()
	stats := &l.shard.stats
	stats.Refused += uint64(refused)
	stats.Duplicates += uint64(d.duplicates)
	stats.Fenced += uint64(fenced)
	stats.Stored += uint64(reports - refused - fenced - int64(d.duplicates))
	l.shard.storedAfter.Merge(&storedAfter)
	l.pending -= uint32(reports)
	l.cost -= room
	if d.failure == nil && l.state == retrying {
		l.recover()
	}
	if l.cost <= int64(e.opts.Load().MaxPending)/16 {
		l.wakeSenders()
	}
	l.shard.mu.Unlock()

	d.runs(func(p Producer, ms []Message, r Result, err error) {
		if err != nil && !errors.Is(err, ErrFenced) {
			e.refusedLines.add(e, &ms[0], err)
		}
		if p != nil {
			p.Settled(ms, r, err)
		}
	})
	d.forget()
	return room
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

package spool

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// A feeder hands on what is in the log. It reads in two places: main is ahead, and
// leaves the records of parked streams; sweep hands those on later, one sweep for
// all streams that have room, until it has caught up with main.
type feeder struct {
	s      *Spool
	next   engine.Router
	wake   chan struct{}
	main   cursor
	sweep  cursor
	sweeps uint64 // how many were begun
	start  uint64 // where the sweep under way began
	active bool   // one is under way
	some   bool   // it has handed on something
	decode decoder
	who    *producer   // of the last record
	noRoom atomic.Bool // the committer waits for a segment to be deleted

	warn    trouble
	refused trouble
}

// turn is how many records are looked at in one place before it is the other's turn.
const turn = 512

// errStop ends the feeder: next takes no more, or there is no time left.
var errStop = errors.New("stop")

// run is the feeder's goroutine. It ends when everything is handed on and nothing
// more will come, when ctx ends, or when next is closed.
func (f *feeder) run(ctx context.Context) {
	defer f.main.close()
	defer f.sweep.close()
	for {
		if f.noRoom.Swap(false) {
			f.flushAll(ctx)
		}
		last := f.s.journal.completed() // asked for before it is looked at
		swept, err := f.sweepOn(ctx)
		fed := false
		if err == nil {
			fed, err = f.mainOn(ctx)
		}
		switch {
		case errors.Is(err, errStop):
			return
		case err != nil:
			f.warn.note(f.s.log, "the spool cannot be read: trying again", err)
			if f.pause(ctx, time.Second) != nil {
				return
			}
			continue
		}
		f.warn.over(f.s.log, "the spool can be read again")
		if swept || fed {
			continue
		}
		if last && !f.s.flows.unheld() {
			return
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return
		}
	}
}

// mainOn hands on what is new. It tells whether there was something.
func (f *feeder) mainOn(ctx context.Context) (some bool, err error) {
	for range turn {
		rec, ok, err := f.main.read()
		if err != nil || !ok {
			return some, err
		}
		some = true
		if err := f.take(ctx, &rec, &f.main, false); err != nil {
			return some, err
		}
		if ctx.Err() != nil {
			return some, errStop
		}
	}
	return some, nil
}

// sweepOn hands on what was left of parked streams that have room again. It tells
// whether there was something to do.
func (f *feeder) sweepOn(ctx context.Context) (some bool, err error) {
	if !f.active {
		at, ok := f.s.flows.target()
		if !ok {
			return false, nil
		}
		if err := f.sweep.seek(at); err != nil {
			return false, err
		}
		f.active, f.some, f.start = true, false, at.position
		f.sweeps++
	}
	for i := range turn {
		if f.sweep.next >= f.main.next {
			f.caughtUp()
			return true, nil
		}
		rec, ok, err := f.sweep.read()
		if err != nil {
			return true, err
		}
		if !ok {
			continue // main has seen the end of it: so will the next round
		}
		if rec.position >= f.main.next {
			f.caughtUp()
			return true, nil
		}
		if err := f.take(ctx, &rec, &f.sweep, true); err != nil {
			return true, err
		}
		if ctx.Err() != nil {
			return true, errStop
		}
		if i%64 == 0 && f.some && !f.s.flows.sweeping() {
			f.active = false // the others wait for their own
			return true, nil
		}
	}
	return true, nil
}

// caughtUp ends a sweep that main does not need any more.
func (f *feeder) caughtUp() {
	f.s.flows.unpark(f.start, f.sweeps)
	f.active = false
}

// take hands on a record that was read, or leaves it.
func (f *feeder) take(ctx context.Context, rec *frame, at *cursor, sweep bool) error {
	s := f.s
	if rec.position < s.begin && s.journal.isSettled(at.seg, rec.position) {
		return nil
	}
	where := place{rec.position, at.seg.first, rec.off}
	var m engine.Message
	s.flows.mu.Lock()
	fl := s.flows.of[string(rec.id())]
	if parked := fl != nil && fl.parked; parked != sweep {
		s.flows.mu.Unlock()
		return nil // the other one's
	}
	h, err := f.decode.decode(rec, &m)
	if err != nil {
		s.flows.mu.Unlock()
		at.damaged(span{rec.position, rec.position + 1}, rec.off, int64(len(rec.raw)))
		return nil
	}
	if fl == nil {
		fl = s.flows.make(rec.id())
	}
	c := cost(&m)
	left := fl.from
	hand := s.flows.mayTake(fl, where, c, sweep, f.start, f.sweeps)
	if hand {
		s.flows.begin(fl, c)
		f.some = f.some || sweep
	}
	first := fl.count == 1
	parked := fl.parked && fl.from != left
	if parked {
		s.flows.begin(fl, overhead)
	}
	s.flows.mu.Unlock()
	if parked {
		f.flush(ctx, fl)
	}
	if !hand {
		return nil
	}
	m.ID = fl.id
	who := s.producers.nobody
	if rec.position >= s.begin {
		// While a message of its is not settled a producer keeps its handle.
		if f.who == nil || f.who.at != h {
			f.who = s.producers.get(h)
		}
		who = f.who
	}
	if seedbug.Is("spool-release-early") {
		s.journal.settle([]engine.Message{m})
	}
	for {
		err = engine.ErrTooManyStreams
		if !first || m.Kind != engine.Report || !s.flows.crowded(s.limits.Load().MaxStreams) {
			err = f.next.Route(ctx, m, who)
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, engine.ErrTooManyStreams) && !errors.Is(err, engine.ErrOverloaded) || ctx.Err() != nil {
			break
		}
		if err = f.pause(ctx, 10*time.Millisecond); err != nil {
			break
		}
	}
	s.flows.mu.Lock()
	defer s.flows.mu.Unlock()
	s.flows.end(fl, 1, c)
	s.flows.unlist(fl)
	s.flows.park(fl, where, c) // it was not handed on, and neither is what follows
	if ctx.Err() == nil && engine.IsPermanent(err) {
		fl.held = true
		f.refused.note(s.log, "a message of the spool is refused: its stream waits for other limits",
			fmt.Errorf("stream %q, number %d: %w", fl.id, m.Seq, err))
		return nil
	}
	return errStop
}

// flushAll makes next store all that it has: while there is no room on disk nothing
// waits for the linger.
func (f *feeder) flushAll(ctx context.Context) {
	for _, fl := range f.s.flows.flushable() {
		f.flush(ctx, fl)
	}
}

// flush makes next store what it has of a stream that was parked: it has no more room
// for what would fill its batch, and must not wait for the linger.
func (f *feeder) flush(ctx context.Context, fl *flow) {
	m := engine.Message{Kind: engine.Flush, ID: fl.id, Received: time.Now().UTC()}
	if err := f.next.Route(ctx, m, f.s.producers.nobody); err != nil {
		f.s.flows.mu.Lock()
		defer f.s.flows.mu.Unlock()
		fl.flushing = false
		f.s.flows.end(fl, 1, overhead)
	}
}

// mayTake decides whether a record is handed on now: by a sweep where its stream is
// parked, by main otherwise. t.mu is held.
func (t *flows) mayTake(f *flow, at place, c int64, sweep bool, start, sweeps uint64) bool {
	if sweep && !f.joined && (at.position < f.from.position || !f.joins(start, sweeps)) {
		return false
	}
	if !t.fits(f, c) {
		t.unlist(f)
		t.park(f, at, c)
		f.missed = sweeps
		return false
	}
	if sweep && !f.joined {
		f.joined = true
		t.joined++
	}
	return true
}

// joins tells whether the sweep that began at start has seen all that was left of f,
// or will.
func (f *flow) joins(start, sweeps uint64) bool {
	return f.from.position >= start && f.missed != sweeps && !f.held
}

// pause waits until something is settled, and for d at most.
func (f *feeder) pause(ctx context.Context, d time.Duration) error {
	f.s.flows.mu.Lock()
	f.s.flows.notify = true
	f.s.flows.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-f.wake:
	case <-timer.C:
	case <-ctx.Done():
		return errStop
	}
	return nil
}

// handedOn tells whether next was given the record at a position of a stream. The
// feeder has ended.
func (f *feeder) handedOn(position uint64, id []byte) bool {
	fl := f.s.flows.of[string(id)]
	switch {
	case fl == nil || !fl.parked:
		return position < f.main.next
	case fl.joined:
		return position < f.sweep.next
	}
	return position < fl.from.position
}

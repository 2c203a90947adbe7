package spool

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// mostPending is how many bytes of records wait for the committer before Route makes
// senders wait. As many again may be on their way to the disk.
const mostPending = 4 << 20

// A buffer is what is accepted and not yet on disk.
type buffer struct {
	records []byte
	first   uint64 // position of the first
	count   int
	notes   []note
	at      time.Time // when the first was received, or a little before that
}

// A note is what Spooled needs to know of a record. The ID is in the record.
type note struct {
	producer *producer
	client   string
	seq, tag int64
	position uint64
	id       int // where it is in records
	idLen    uint8
	kind     engine.Kind
}

// double makes room for n more, and for twice as many as there are where there is none:
// append would make room for a quarter more, and copy five times as much.
func double[T any](s []T, n int) []T {
	if cap(s)-len(s) >= n {
		return s
	}
	return slices.Grow(s, max(n, len(s)))
}

func (b *buffer) reset() {
	if cap(b.records) > 2*mostPending {
		b.records = nil // there was a large message
	}
	clear(b.notes)
	b.records, b.notes, b.count = b.records[:0], b.notes[:0], 0
}

// A waiter is a Route in line.
type waiter struct {
	cost    int64
	granted chan struct{}
}

// Route accepts m, as engine.Router says: it is numbered, has its place in the log,
// and is on its way to the disk. What next would refuse for good is refused.
//
// Before Run has begun it waits for that. Once the spool has failed it returns why.
func (s *Spool) Route(ctx context.Context, m engine.Message, p engine.Producer) error {
	if err := engine.Check(&m); err != nil {
		return err
	}
	if limit := s.limits.Load().MaxPending; m.Kind == engine.Report && cost(&m) > int64(limit) {
		return engine.Permanent(fmt.Errorf("data: %d bytes are more than max_pending (%v) allows", len(m.Data), limit))
	}
	if most := s.largest(); payloadLen(&m) > most {
		return engine.Permanent(fmt.Errorf("data: %d bytes are more than an eighth of spool_max (%v) allows", len(m.Data), s.max))
	}
	select {
	case <-s.started:
	default:
		select {
		case <-s.started:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closing:
			return engine.ErrClosed
		}
	}
	who := s.producers.hold(p)
	err := s.accept(ctx, &m, who)
	if err != nil {
		s.producers.release(who, 1)
	}
	return err
}

// accept gives m its number and its place.
func (s *Spool) accept(ctx context.Context, m *engine.Message, who *producer) error {
	granted := int64(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if granted > 0 { // used, or given back: there may be room for the next in line
			s.granted -= granted
			s.serve()
		}
	}()
	for {
		switch {
		case s.failed != nil:
			return fmt.Errorf("the spool has failed: %w", s.failed)
		case s.closed:
			return engine.ErrClosed
		case m.Kind == engine.Report && granted == 0 && (len(s.line) > 0 || s.load() >= mostPending):
			if s.limits.Load().RejectWhenFull {
				if s.refused = true; s.fullSince.IsZero() {
					s.fullSince = time.Now()
				}
				return engine.ErrOverloaded
			}
			if err := s.wait(ctx, cost(m)); err != nil {
				return err
			}
			granted = cost(m)
			continue
		}
		if m.Kind == engine.Report && m.Seq == 0 {
			last := &s.lastSeq[maphash.String(s.seed, m.ID)%uint64(len(s.lastSeq))]
			seq, wait := s.numbers.Next(*last)
			if wait != nil {
				if err := s.pause(ctx, wait); err != nil {
					return err
				}
				continue
			}
			m.Seq, *last = seq, seq
		}
		s.append(m, who)
		return nil
	}
}

// load is what waits for the committer, and what was granted to senders that were in
// line. s.mu is held.
func (s *Spool) load() int64 { return int64(len(s.pending.records)) + s.granted }

// append puts m into the pending buffer. s.mu is held.
func (s *Spool) append(m *engine.Message, who *producer) {
	b := s.pending
	if b.count == 0 {
		b.first = s.next
	}
	m.Pos = s.next
	s.next++
	if who.to != nil {
		b.notes = append(double(b.notes, 1), note{
			producer: who, client: m.Client, seq: m.Seq, tag: m.Tag, position: m.Pos,
			id: len(b.records) + headerLen + 3, idLen: uint8(len(m.ID)), kind: m.Kind,
		})
	}
	b.records = appendRecord(b.records, m, who.at, b.first, s.salt)
	b.count++
	if m.Kind == engine.Report {
		s.accepted++
	}
	if s.idle {
		s.idle = false
		poke(s.wakeCommitter)
	}
}

// wait waits in line for room. s.mu is held, but not while it waits.
func (s *Spool) wait(ctx context.Context, c int64) error {
	w := &waiter{cost: c, granted: make(chan struct{})}
	s.line = append(s.line, w)
	if s.fullSince.IsZero() {
		s.fullSince = time.Now()
	}
	err := s.pause(ctx, w.granted)
	if err == nil {
		return nil
	}
	for i, other := range s.line {
		if other == w {
			s.line = append(s.line[:i], s.line[i+1:]...)
			return err
		}
	}
	s.granted -= c // it was granted meanwhile
	s.serve()
	return err
}

// pause waits for ready. s.mu is held, but not while it waits.
func (s *Spool) pause(ctx context.Context, ready <-chan struct{}) error {
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return engine.ErrClosed
	case <-s.failedCh:
		return nil // the caller looks again
	}
}

// serve grants room to the first in line. s.mu is held.
func (s *Spool) serve() {
	for len(s.line) > 0 && s.load() < mostPending {
		w := s.line[0]
		s.line[0] = nil
		s.line = s.line[1:]
		s.granted += w.cost
		close(w.granted)
	}
	if len(s.line) == 0 && s.load() < mostPending {
		s.line, s.refused, s.fullSince = nil, false, time.Time{}
	}
}

// takePending gives the committer what is pending, in exchange for an empty buffer.
// It waits until there is something; at the end it gives nil.
func (s *Spool) takePending(empty *buffer) *buffer {
	for {
		s.mu.Lock()
		if s.pending.count > 0 {
			full := s.pending
			s.pending = empty
			now := time.Now().UTC()
			if full.at = s.taken; full.at.IsZero() {
				full.at = now // it waited until the first came
			}
			s.taken, s.writing = now, full.at
			s.serve()
			s.mu.Unlock()
			return full
		}
		if s.closed {
			s.mu.Unlock()
			return nil
		}
		s.idle, s.taken, s.writing = true, time.Time{}, time.Time{}
		s.mu.Unlock()
		<-s.wakeCommitter
	}
}

// takeLast gives what is pending once nothing is accepted any more.
func (s *Spool) takeLast() *buffer {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.pending
	s.pending = &buffer{}
	return last
}

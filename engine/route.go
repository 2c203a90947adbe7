package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/ingestd/ingestd/internal/seedbug"
)

// Route accepts m, as [Router] says, with what [Check] fills in.
//
// Before Run has begun it waits for that.
func (e *Engine) Route(ctx context.Context, m Message, p Producer) error {
	if err := Check(&m); err != nil {
		return err
	}
	select {
	case <-e.started:
	default:
		select {
		case <-e.started:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c := cost(&m)
	var n *node // made once there is room: a copy that waits would be bounded by nothing
	for {
		err := e.takeRoom(ctx, c)
		var freed <-chan struct{}
		if err == nil {
			if n == nil {
				n = newNode(&m, p)
			}
			if freed, err = e.accept(m.ID, n, c); err == nil && freed == nil {
				if c > 0 && e.room.waiting.Load() > 0 {
					e.relieve(0) // whoever is in line does not wait for the linger of m
				}
				return nil
			}
			e.room.give(c) // nobody holds room who waits for something else
		}
		switch {
		case err == nil:
			err = e.wait(ctx, freed)
		case errors.Is(err, ErrTooManyStreams) && e.retireOldest():
			continue
		}
		if err != nil {
			if n != nil {
				n.free()
			}
			return err
		}
	}
}

// wait waits for ready, unless ctx ends or a drain begins.
func (e *Engine) wait(ctx context.Context, ready <-chan struct{}) error {
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.closing:
		return ErrClosed
	}
}

// Check says what is wrong with m, as a permanent error, and fills in what may be
// left out: a zero Received is now, a zero Time is Received, and empty Data of a
// Report is null. Route begins with it.
func Check(m *Message) error {
	if err := malformed(m); err != nil {
		return Permanent(err)
	}
	if m.Received.IsZero() {
		m.Received = time.Now().UTC()
	}
	if m.Time.IsZero() {
		m.Time = m.Received
	}
	if len(m.Data) == 0 && m.Kind == Report {
		m.Data = null
	}
	return nil
}

func malformed(m *Message) error {
	switch {
	case m.ID == "":
		return errors.New("id: must not be empty")
	case len(m.ID) > MaxIDLen:
		return fmt.Errorf("id: must have at most %d bytes, not %d", MaxIDLen, len(m.ID))
	case !utf8.ValidString(m.ID):
		return errors.New("id: must be valid UTF-8")
	case m.Kind > Resume:
		return fmt.Errorf("kind: %d is none", m.Kind)
	case m.Seq < 0:
		return fmt.Errorf("seq: must not be negative, not %d", m.Seq)
	case m.Kind == Resume && m.Client == "":
		return errors.New("client: a resume needs one")
	case len(m.Client) > MaxClientLen:
		return fmt.Errorf("client: must have at most %d bytes, not %d", MaxClientLen, len(m.Client))
	case !utf8.ValidString(m.Client):
		return errors.New("client: must be valid UTF-8")
	}
	return nil
}

var null = []byte("null")

// takeRoom takes c of what may be pending, and waits for it if it must. Nobody
// waits for a linger: what is collecting is flushed first.
func (e *Engine) takeRoom(ctx context.Context, c int64) error {
	if c == 0 || e.room.tryTake(c) {
		return nil
	}
	o := e.opts.Load()
	if c > int64(o.MaxPending) {
		return Permanent(fmt.Errorf("data: %d bytes are more than max_pending (%v) allows", c-overhead, o.MaxPending))
	}
	if o.RejectWhenFull {
		e.relieve(c)
		if e.room.tryTake(c) {
			return nil
		}
		e.room.refuse()
		return ErrOverloaded
	}
	w := e.room.queue(c)
	e.relieve(0)
	return e.room.wait(ctx, w, e.closing)
}

// relieve flushes the oldest open batches until an eighth of MaxPending, and what
// is wanted, is free or on its way to the sink.
func (e *Engine) relieve(extra int64) {
	limit := int64(e.opts.Load().MaxPending)
	limit -= max(limit/8, min(e.room.wanted.Load()+extra, limit))
	if e.open.Load() <= limit { // so it is mostly, while a slow sink fills the room
		return
	}
	e.relieving.Lock()
	defer e.relieving.Unlock()
	for i := range e.shards {
		e.shards[i].mu.Lock()
	}
	for e.open.Load() > limit {
		var oldest *lane
		for i := range e.shards {
			if l := e.shards[i].collecting.front; l != nil && (oldest == nil || l.since < oldest.since) {
				oldest = l
			}
		}
		oldest.shard.close(oldest, &oldest.shard.stats.Flushes.Pressure)
	}
	for i := range e.shards {
		e.shards[i].mu.Unlock()
	}
}

// accept puts n, which costs c, into the lane of id. Where something is missing
// that will come, it does not, and returns a channel that is closed then.
func (e *Engine) accept(id string, n *node, c int64) (<-chan struct{}, error) {
	s, w := e.shardOf(id)
	return s.accept(id, w, n, c)
}

// accept is the part of it that needs the shard's lock.
func (s *shard) accept(id string, w *writer, n *node, c int64) (<-chan struct{}, error) {
	e := s.engine
	o := e.opts.Load()
	now := e.clock.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	l := s.lanes[id]
	if l != nil && c > 0 && (l.freed != nil || l.cost > 0 && l.cost+c > int64(o.MaxPending)/8) {
		return s.share(l, o)
	}
	if l == nil && e.streams.Add(1) > int64(o.MaxStreams) && n.Kind == Report {
		e.streams.Add(-1)
		return nil, ErrTooManyStreams
	}
	if n.Kind == Report && n.Seq == 0 {
		seq, ok := e.numbers.next(s.lastSeq, now)
		if !ok {
			if l == nil {
				e.streams.Add(-1)
			}
			return e.numbers.wait(seq), nil
		}
		n.Seq, s.lastSeq = seq, seq
	}
	if l == nil {
		l = s.make(id, w)
	}
	s.add(l, n, now, o)
	return nil, nil
}

// share returns a channel that is closed once the stream has much less pending: it
// has its share. Until then all wait who bring more, or a large message would never
// find its room among small ones. s.mu is held.
func (s *shard) share(l *lane, o *Options) (<-chan struct{}, error) {
	if l.openCount > 0 {
		s.close(l, &s.stats.Flushes.Pressure)
	}
	if o.RejectWhenFull {
		return nil, ErrOverloaded
	}
	if l.freed == nil {
		l.freed = make(chan struct{})
	}
	return l.freed, nil
}

// retireOldest forgets the lane that has been idle for longest, and tells whether
// there was one.
func (e *Engine) retireOldest() bool {
	for {
		var oldest *shard
		var since int64
		for i := range e.shards {
			s := &e.shards[i]
			s.mu.Lock()
			l := s.idle.front
			if l == nil && seedbug.Is("engine-drop-on-evict") {
				l = s.collecting.front
			}
			if l != nil && (oldest == nil || l.since < since) {
				oldest, since = s, l.since
			}
			s.mu.Unlock()
		}
		if oldest == nil {
			return false
		}
		oldest.mu.Lock()
		l := oldest.idle.front
		if l == nil && seedbug.Is("engine-drop-on-evict") {
			l = oldest.collecting.front
		}
		if l != nil {
			oldest.retire(l)
		}
		oldest.mu.Unlock()
		if l != nil {
			return true
		}
	}
}

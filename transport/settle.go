package transport

import (
	"errors"
	"sync/atomic"

	"github.com/ingestd/ingestd/engine"
)

// sender is a connection as the router knows it. The router keeps it for as long as
// something of it is not settled, which may be days where there is a spool: so a
// connection that is gone leaves nothing else behind.
type sender struct{ conn atomic.Pointer[conn] }

var _ engine.Producer = (*sender)(nil)

// Spooled tells the connection, while there is one.
func (s *sender) Spooled(ms []engine.Message) {
	if c := s.conn.Load(); c != nil {
		c.spooled(ms)
	}
}

// Settled tells the connection, while there is one.
func (s *sender) Settled(ms []engine.Message, r engine.Result, err error) {
	if c := s.conn.Load(); c != nil {
		c.settled(ms, r, err)
	}
}

// spooled acks ms at the level "spooled".
func (c *conn) spooled(ms []engine.Message) {
	if !c.ws.ackSpooled {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var s *stream
	for i := range ms {
		m := &ms[i]
		if m.Tag <= 0 {
			continue
		}
		if s == nil || s.id != m.ID {
			s = c.table.m[m.ID]
		}
		if s != nil {
			c.ack(s, m.Tag)
		}
	}
}

// settled acks ms at the level "stored", and gives the answers that waited for
// them.
func (c *conn) settled(ms []engine.Message, r engine.Result, err error) {
	if len(ms) == 0 {
		return
	}
	c.mu.Lock()
	c.pending -= len(ms)
	s := c.table.m[ms[0].ID]
	var last int64 // the number of the last one that is stored and not acked
	for i := range ms {
		m := &ms[i]
		switch {
		case s == nil || c.gone: // nobody is left to tell
			if m.Kind != engine.Report {
				c.controls--
			}
		case err == nil:
			if m.Tag > 0 {
				last = m.Tag
			}
			if m.Kind != engine.Report {
				c.ackStored(s, last)
				last = 0
				c.stored(s, m, r)
			}
		case engine.IsPermanent(err):
			c.rejected(s, m, err)
		default:
			c.given(m)
		}
	}
	c.ackStored(s, last)
	if s != nil {
		c.table.settle(s, len(ms))
	}
	if c.controls < maxControls || c.table.most > 0 {
		c.room.Broadcast()
	}
	c.depart()
	c.mu.Unlock()
}

// ackStored acks seq at the level "stored"; 0 is none. It needs the lock.
func (c *conn) ackStored(s *stream, seq int64) {
	if seq > 0 && !c.ws.ackSpooled {
		c.ack(s, seq)
	}
}

// stored answers a control message that is durable. It needs the lock.
func (c *conn) stored(s *stream, m *engine.Message, r engine.Result) {
	if m.Tag < 0 {
		c.flushedOne(-m.Tag)
		return
	}
	c.controls--
	switch m.Kind {
	case engine.Done:
		if m.Op == opRestore {
			return
		}
		c.answer(s, appendDone(nil, s.wireID(), r.Rows))
	case engine.Flush:
		c.answer(s, appendFlush(nil, s.wireID()))
	case engine.Resume:
		if r.LastSeq < 0 {
			c.reject(s, m, codeUnsupported, "the sink cannot tell the last number")
			return
		}
		c.answer(s, appendResume(nil, s.wireID(), r.LastSeq))
	}
}

// rejected answers a message that the sink refused for good. It needs the lock.
func (c *conn) rejected(s *stream, m *engine.Message, err error) {
	if m.Tag < 0 {
		c.flushedOne(-m.Tag)
		return
	}
	if m.Kind != engine.Report {
		c.controls--
	}
	f := refused(err)
	c.reject(s, m, f.code, f.text)
}

// refused is the error answer for what a sink refused for good, without the message.
func refused(err error) failure {
	f := failure{code: codeRejected}
	if errors.Is(err, engine.ErrConflict) {
		f.code = codeConflict
	}
	if r, ok := errors.AsType[*engine.RejectError](err); ok {
		err = r.Err // its place in a batch means nothing to a client
	}
	f.text = err.Error()
	return f
}

// reject queues an error answer. It needs the lock.
func (c *conn) reject(s *stream, m *engine.Message, code, text string) {
	f := failure{code: code, text: text, id: s.wireID(), seq: m.Tag, index: -1}
	c.ws.stats.failed(code)
	logFailure(c.ws.log, c.remote, c.name, &f)
	c.answer(s, appendFailure(nil, f))
}

// given forgets a message that a drain gave up: its sender is not answered. It
// needs the lock.
func (c *conn) given(m *engine.Message) {
	switch {
	case m.Kind == engine.Report:
	case m.Tag < 0:
		delete(c.flushes, -m.Tag)
		c.controls--
	default:
		c.controls--
	}
}

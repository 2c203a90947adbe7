package transport

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// message does what one message asks for. It returns false once nothing more is
// to be routed.
func (c *conn) message(m *incoming, template *engine.Message, d *decoder) bool {
	if !c.waitForRoom(m) {
		return false
	}
	if m.fault != "" {
		c.refuse(m, m.fault, m.text, d)
		return true
	}
	if c.ids != nil && m.id.id != "" && !c.ids.has(m.id.id) {
		c.refuse(m, codeForbidden, textForbidden, d)
		return true
	}
	switch {
	case len(m.frame) > int(c.ws.config.MaxMessageSize) && m.op.kind != kindRestore:
		c.refuse(m, codeBadMessage, "the message is larger than max_message_size", d)
		return true
	case m.op.kind == kindHandler:
		return c.handle(m, d)
	case m.op.kind == kindRestore:
		return c.restore(m, d)
	case m.op.kind == kindFlush && m.id.id == "":
		return c.flushAll(template)
	case m.op.kind == kindResume && c.name == "":
		c.refuse(m, codeUnsupported, "resume needs a client name: connect with ?client=NAME", d)
		return true
	}
	return c.route(m, template, d)
}

// waitForRoom waits while the client has too much to read, or too many control
// messages outstanding. It returns false once nothing more is to be routed.
func (c *conn) waitForRoom(m *incoming) bool {
	control := m.op != nil && m.op.kind != kindReport && m.op.kind != kindHandler && m.op.kind != kindRestore
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.draining && !c.gone && (c.answers >= maxAnswers || control && c.controls >= maxControls) {
		c.room.Wait()
	}
	return !c.draining && !c.gone
}

// route hands a message to the router, in the order of its stream.
func (c *conn) route(m *incoming, template *engine.Message, d *decoder) bool {
	msg := *template
	msg.ID, msg.Tag = m.id.id, m.seq
	msg.Op, msg.Code, msg.Data, msg.Time = m.op.name, m.code, m.data, m.time
	if msg.Client != "" {
		msg.Seq = m.seq
	}
	if msg.Time.IsZero() {
		msg.Time = msg.Received
	}
	switch m.op.kind {
	case kindDone:
		msg.Kind = engine.Done
	case kindFlush:
		msg.Kind = engine.Flush
	case kindResume:
		msg.Kind = engine.Resume
	}
	return c.accept(m, &msg, d)
}

// accept routes msg, which m says.
func (c *conn) accept(m *incoming, msg *engine.Message, d *decoder) bool {
	s, gap := c.pin(m, msg.Kind)
	if gap != "" {
		c.refuseRetry(m, gap, fmt.Sprintf("an earlier number of this id was refused: send from %d again", s.gap), d)
		return true
	}
	holds := m.op.kind != kindRestore
	if holds {
		c.hold(s, msg.Kind)
	}
	err := c.ws.router.Route(c.ws.ctx, *msg, c.sender)
	if err == nil {
		if seedbug.Is("transport-ack-early") && m.seq != 0 {
			c.mu.Lock()
			c.ack(s, m.seq)
			c.mu.Unlock()
		}
		if holds && msg.Kind == engine.Report && s.hold != nil && !s.hold.open.Load() {
			s.hold.open.Store(true)
		}
		c.ws.stats.messages.Add(1)
		c.taken++
		return true
	}
	return c.unrouted(m, s, msg.Kind, err, d)
}

// pin takes the message's stream, counts the message, and notes how its id is
// written. Where the gap rule forbids the message, nothing is counted, and gap is
// the code to refuse it with.
func (c *conn) pin(m *incoming, kind engine.Kind) (s *stream, gap string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s = c.table.pin(m.id.id)
	s.numeric = m.id.numeric
	if m.seq != 0 && s.gap != 0 {
		if m.seq > s.gap {
			c.table.settle(s, 1)
			return s, s.gapCode
		}
		s.gap = 0
	}
	c.pending++
	if kind != engine.Report {
		c.controls++
	}
	return s, ""
}

// hold makes the connection a holder of the stream, which is pinned.
func (c *conn) hold(s *stream, kind engine.Kind) {
	if c.ws.holds == nil || kind != engine.Report && kind != engine.Done {
		return
	}
	if s.hold == nil {
		// Without the lock: it may have to wait for an end that is being routed.
		x := c.ws.holds.take(s.id)
		c.mu.Lock()
		s.hold = x
		c.mu.Unlock()
	}
	if kind == engine.Done && s.hold.open.Load() {
		s.hold.open.Store(false)
	}
}

// unrouted undoes a message that the router did not accept, and tells its sender.
func (c *conn) unrouted(m *incoming, s *stream, kind engine.Kind, err error, d *decoder) bool {
	code, retry := codeOf(err)
	c.mu.Lock()
	c.pending--
	if kind != engine.Report {
		c.controls--
	}
	if retry && m.seq != 0 {
		s.gap, s.gapCode = m.seq, code
	}
	c.table.settle(s, 1)
	c.mu.Unlock()
	switch {
	case code == "":
		return false
	case retry:
		c.refuseRetry(m, code, err.Error(), d)
	default:
		c.refuse(m, code, err.Error(), d)
	}
	return true
}

// codeOf tells how an error of Route is answered; not at all where code is empty.
func codeOf(err error) (code string, retry bool) {
	switch {
	case errors.Is(err, engine.ErrClosed), errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded):
		return "", false
	case errors.Is(err, engine.ErrTooManyStreams):
		return codeTooManyStreams, true
	case engine.IsPermanent(err):
		return codeBadMessage, false
	}
	return codeOverloaded, true // ErrOverloaded, and what nobody has foreseen
}

// flushAll flushes every stream that has messages outstanding.
func (c *conn) flushAll(template *engine.Message) bool {
	c.mu.Lock()
	var streams []*stream
	for _, s := range c.table.m {
		if s.outstanding > 0 {
			streams = append(streams, s)
		}
	}
	for _, s := range streams {
		s.outstanding++
	}
	c.pending += len(streams) + 1 // one for ourselves
	c.controls += len(streams) + 1
	c.flushed++
	number := c.flushed
	if c.flushes == nil {
		c.flushes = make(map[int64]int)
	}
	c.flushes[number] = len(streams) + 1
	c.mu.Unlock()

	msg := *template
	msg.Kind, msg.Op, msg.Time, msg.Data, msg.Tag = engine.Flush, opFlush, msg.Received, nullData, -number
	var err error
	for i, s := range streams {
		msg.ID = s.id
		if err = c.ws.router.Route(c.ws.ctx, msg, c.sender); err != nil {
			c.mu.Lock()
			for _, s := range streams[i:] {
				c.table.settle(s, 1)
				c.pending--
				c.controls--
			}
			delete(c.flushes, number)
			c.mu.Unlock()
			break
		}
	}
	c.mu.Lock()
	c.pending--
	c.flushedOne(number)
	c.mu.Unlock()
	return err == nil
}

// flushedOne counts one stream of a flush of everything, and answers after the
// last. It needs the lock.
func (c *conn) flushedOne(number int64) {
	c.controls--
	left, ok := c.flushes[number]
	if !ok {
		return
	}
	if left > 1 {
		c.flushes[number] = left - 1
		return
	}
	delete(c.flushes, number)
	c.answer(nil, appendFlush(nil, wireID{}))
}

// handle serves an op of the host program's own.
func (c *conn) handle(m *incoming, d *decoder) bool {
	err := c.callHandler(m)
	if err == nil {
		return true
	}
	switch code, retry := codeOf(err); {
	case c.ws.ctx.Err() != nil || errors.Is(err, engine.ErrClosed):
		return false
	case errors.Is(err, engine.ErrOverloaded), errors.Is(err, engine.ErrTooManyStreams):
		c.fail(m, failure{code: code, text: err.Error(), retry: retry}, d)
	default:
		c.refuse(m, codeBadMessage, err.Error(), d)
	}
	return true
}

func (c *conn) callHandler(m *incoming) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.ws.log.Error("handler panicked", "op", m.op.name, "panic", p, "stack", string(debug.Stack()))
			err = errors.New("the handler of this op failed")
		}
	}()
	return m.op.handler(c.ws.ctx, Op{
		Name:  m.op.name,
		ID:    m.id.id,
		Seq:   m.seq,
		Frame: m.frame,
		Reply: c.reply,
	})
}

// refuse answers a message that sending again would not help.
func (c *conn) refuse(m *incoming, code, text string, d *decoder) {
	c.fail(m, failure{code: code, text: text}, d)
}

// refuseRetry answers a message that may be sent again.
func (c *conn) refuseRetry(m *incoming, code, text string, d *decoder) {
	c.fail(m, failure{code: code, text: text, retry: true}, d)
}

func (c *conn) fail(m *incoming, f failure, d *decoder) {
	f.id, f.seq, f.index = m.id, m.seq, d.place()
	c.ws.stats.failed(f.code)
	c.ws.turnedAway(f.code)
	c.logFailure(f)
	frame := appendFailure(nil, f)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer(c.table.m[m.id.id], frame)
}

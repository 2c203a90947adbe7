package transport

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// message does what one message asks for; msg is what the router gets, with what
// all messages of the frame have in common. It returns false once nothing more is
// to be routed.
func (c *conn) message(m *incoming, msg *engine.Message, d *decoder) bool {
	switch {
	case m.fault != "":
		return c.refuse(m, m.fault, m.text, d)
	case c.ids != nil && m.id.id != "" && !c.ids.has(m.id.id):
		return c.refuse(m, codeForbidden, textForbidden, d)
	case len(m.frame) > int(c.ws.config.MaxMessageSize) && m.op.kind != kindRestore:
		return c.refuse(m, codeBadMessage, "the message is larger than max_message_size", d)
	case m.op.kind == kindHandler:
		return c.handle(m, d)
	case m.op.kind == kindRestore:
		return c.restore(m, d)
	case m.op.kind == kindFlush && m.id.id == "":
		return c.flushAll(*msg)
	case m.op.kind == kindResume && c.name == "":
		return c.refuse(m, codeUnsupported, "resume needs a client name: connect with ?client=NAME", d)
	}
	msg.Kind, msg.ID, msg.Tag = m.op.engineKind(), m.id.id, m.seq
	msg.Op, msg.Code, msg.Data, msg.Time = m.op.name, m.code, m.data, m.time
	if msg.Client != "" {
		msg.Seq = m.seq
	}
	if msg.Time.IsZero() {
		msg.Time = msg.Received
	}
	return c.accept(m, msg, d)
}

// ready waits while the client has too much to read, or, for one more of them, too
// many control messages outstanding. It returns false once nothing more is to be
// routed. It needs the lock.
func (c *conn) ready(control bool) bool {
	for !c.draining && !c.gone && (c.answers >= maxAnswers || control && c.controls >= maxControls) {
		c.room.Wait()
	}
	return !c.draining && !c.gone
}

// accept routes msg, which m says, in the order of its stream.
func (c *conn) accept(m *incoming, msg *engine.Message, d *decoder) bool {
	s, gap, ok := c.pin(m, msg.Kind)
	if !ok {
		return false
	}
	if gap != "" {
		return c.refuseRetry(m, gap, fmt.Sprintf("an earlier number of this id was refused: send from %d again", s.gap), d)
	}
	holds := m.op.kind != kindRestore
	if holds {
		c.hold(s, msg.Kind)
	}
	if err := c.ws.router.Route(c.ws.ctx, *msg, c.sender); err != nil {
		return c.unrouted(m, s, msg.Kind, err, d)
	}
	if seedbug.Is("transport-ack-early") && m.seq != 0 {
		c.mu.Lock()
		c.ack(s, m.seq)
		c.mu.Unlock()
	}
	if holds && msg.Kind == engine.Report && s.hold != nil && !s.hold.open.Load() {
		s.hold.open.Store(true)
	}
	c.taken.Add(1)
	return true
}

// pin takes the message's stream, counts the message, and notes how its id is
// written. Where the gap rule forbids the message, nothing is counted, and gap is
// the code to refuse it with; nor is it where nothing more is to be routed, and ok
// is false.
func (c *conn) pin(m *incoming, kind engine.Kind) (s *stream, gap string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if !c.ready(kind != engine.Report) {
			return nil, "", false
		}
		if !c.table.full(m.id.id) {
			break
		}
		// An error would do no better: with no place for the stream there is none to
		// note that what comes after has to wait for its repetition.
		c.room.Wait()
	}
	s = c.table.pin(m.id.id)
	s.numeric = m.id.numeric
	if m.seq != 0 && s.gap != 0 {
		if m.seq > s.gap {
			c.table.settle(s, 1)
			return s, s.gapCode, true
		}
		s.gap = 0
	}
	c.pending++
	if kind != engine.Report {
		c.controls++
	}
	return s, "", true
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
	defer c.mu.Unlock()
	if kind != engine.Report {
		c.controls--
	}
	if retry && m.seq != 0 {
		s.gap, s.gapCode = m.seq, code
	}
	if code != "" {
		c.tell(m, failure{code: code, text: err.Error(), retry: retry}, d)
	}
	c.table.settle(s, 1)
	c.pending--
	c.depart()
	return code != ""
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
func (c *conn) flushAll(msg engine.Message) bool {
	c.mu.Lock()
	if !c.ready(true) {
		c.mu.Unlock()
		return false
	}
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
	defer c.mu.Unlock()
	c.flushedOne(number)
	c.pending--
	c.depart()
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
	c.mu.Lock()
	if !c.ready(false) {
		c.mu.Unlock()
		return false
	}
	c.pending++
	c.mu.Unlock()

	err := c.callHandler(m)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending--
	defer c.depart()
	if err == nil {
		return true
	}
	switch code, retry := codeOf(err); {
	case c.ws.ctx.Err() != nil || errors.Is(err, engine.ErrClosed):
		return false
	case errors.Is(err, engine.ErrOverloaded), errors.Is(err, engine.ErrTooManyStreams):
		c.tell(m, failure{code: code, text: err.Error(), retry: retry}, d)
	default:
		c.tell(m, failure{code: codeBadMessage, text: err.Error()}, d)
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
func (c *conn) refuse(m *incoming, code, text string, d *decoder) bool {
	return c.fail(m, failure{code: code, text: text}, d)
}

// refuseRetry answers a message that may be sent again.
func (c *conn) refuseRetry(m *incoming, code, text string, d *decoder) bool {
	return c.fail(m, failure{code: code, text: text, retry: true}, d)
}

// fail answers a message that is not routed, unless none is any more.
func (c *conn) fail(m *incoming, f failure, d *decoder) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ready(false) {
		return false
	}
	c.tell(m, f, d)
	return true
}

// tell queues the error answer to a message. It needs the lock.
func (c *conn) tell(m *incoming, f failure, d *decoder) {
	f.id, f.seq, f.index = m.id, m.seq, d.place()
	c.ws.stats.failed(f.code)
	c.ws.notAccepted(c.remote, c.name, &f)
	logFailure(c.ws.log, c.remote, c.name, &f)
	c.answer(c.table.m[m.id.id], appendFailure(nil, f))
}

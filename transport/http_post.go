package transport

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/ingestd/ingestd/engine"
)

const (
	// maxAsked is how many done, flush and resume a request may have: each is a
	// control message, which no room bounds, and has its part of the answer.
	maxAsked = 1024

	// maxFlushes is how many streams of a request are flushed at the same time at its
	// end.
	maxFlushes = 256

	// maxFaults is how many messages of a body may be no good, before any is routed:
	// then the rest is not looked at. A few bytes that are compressed may be millions
	// of such messages.
	maxFaults = 1000

	// maxGaps is how many streams of a request have a gap of their own after an error
	// with retry. Past it, all have one.
	maxGaps = 4096
)

// post is one request. Its handler's goroutine decodes and routes, and then waits
// until everything is settled; Spooled and Settled come from the engine. mu is never
// held during Route.
type post struct {
	http   *HTTP
	pass   *pass
	name   string          // the client's name for itself, or empty
	ctx    context.Context // ends when nothing more is to be routed
	sender *postSender     // what the router has of it

	// The handler's own.
	body     []byte
	line     int // of at
	at       int // how much of body the lines are counted of
	asked    int // done, flush and resume
	faults   int // messages that were not routed because of what they are
	gaps     map[string]gap
	all      gap           // the gap of all streams that have none
	stop     bool          // nothing more is routed
	flushAll bool          // it is asked for
	wake     chan struct{} // what is waited for is so

	mu       sync.Mutex
	over     bool                // nobody waits any more
	until    func() bool         // what the handler waits for; nil: nothing
	streams  map[string]*touched // those that have messages outstanding
	spare    []touched           // to be used next
	waiting  int                 // messages that the answer waits for
	flushing int                 // flushes that nobody asked for by name
	spooled  []uint64            // a bit for each message, by index: it was counted
	seqs     []int64             // the numbers that a nameless client gave, by index
	outcome  outcome
}

// postSender is a request as the router knows it, which may keep it for days where
// there is a spool: so a request that is over leaves nothing else behind.
type postSender struct{ post atomic.Pointer[post] }

var _ engine.Producer = (*postSender)(nil)

// touched is a stream with messages outstanding.
type touched struct {
	id          string
	outstanding int
}

// gap begins with a number that was refused with retry: until that or a lower one
// comes, later ones get the same error.
type gap struct {
	seq  int64
	code string
}

// take routes the messages of a body, and waits for their outcome. It gives no
// answer where the client is gone.
func (h *HTTP) take(client context.Context, pass *pass, name string, body []byte) *outcome {
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	defer context.AfterFunc(client, cancel)()
	p := &post{
		http: h, pass: pass, name: name, ctx: ctx, sender: &postSender{},
		body: body, line: 1, wake: make(chan struct{}, 1),
		streams: make(map[string]*touched),
	}
	p.sender.post.Store(p)
	p.outcome.spooled, p.outcome.bodies = h.ackSpooled, &h.bodies
	known := false
	defer func() {
		p.end()
		if !known { // the router may panic
			p.outcome.release()
		}
	}()

	now := time.Now().UTC()
	template := engine.Message{Client: name, Received: now, Remote: pass.remote, Sender: pass.sender}
	p.route(&template)
	known = p.flush(&template, client) && p.wait(client, func() bool { return p.waiting == 0 })
	if !known {
		return nil
	}
	return &p.outcome
}

// end lets go of the request: what is settled from now on, nobody is told.
func (p *post) end() {
	p.sender.post.Store(nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

// route routes the messages of the body, one after the other, and gives it back.
func (p *post) route(template *engine.Message) {
	defer func() {
		p.http.bodies.put(p.body)
		p.body = nil
	}()
	d := p.http.decoders.Get().(*decoder)
	defer p.http.decoders.Put(d)
	d.reset(p.body, utf8.Valid(p.body))
	defer d.release()
	var m incoming
	for d.next(&m) {
		at := p.place(&m, d)
		if p.faults == maxFaults {
			p.outcome.stopped = &at
			return
		}
		p.outcome.messages++
		p.message(&m, template, at)
	}
}

// message does what one message asks for.
func (p *post) message(m *incoming, template *engine.Message, at place) {
	c := &p.http.config
	switch {
	case m.fault != "":
		p.fault(m, at, m.fault, m.text)
		return
	case len(m.frame) > int(c.MaxMessageSize):
		p.fault(m, at, codeBadMessage, "the message is larger than max_message_size")
		return
	case m.id.id != "" && !p.pass.mayWrite(m.id.id):
		p.fault(m, at, codeForbidden, textForbidden)
		return
	case m.op.kind == kindResume && p.name == "":
		p.fault(m, at, codeUnsupported, "resume needs a client name: post to ?client=NAME")
		return
	case m.op.kind != kindReport && p.asked == maxAsked:
		p.fault(m, at, codeUnsupported, fmt.Sprintf("a request may have %d of done, flush and resume", maxAsked))
		return
	}
	if m.op.kind != kindReport {
		p.asked++
	}
	if m.op.kind == kindFlush && m.id.id == "" {
		p.outcome.asked++ // the request ends with it
		p.flushAll = true
		return
	}
	if m.seq != 0 {
		if g := p.gapOf(m.id.id, m.seq); g.seq != 0 {
			p.refuse(m, at, g.code, fmt.Sprintf("an earlier number of this id was refused: send from %d again", g.seq), true)
			return
		}
	}
	p.accept(m, template, at)
}

// gapOf gives the gap of the stream id that forbids seq, and closes one that does
// not.
func (p *post) gapOf(id string, seq int64) gap {
	g, ok := p.gaps[id]
	if !ok {
		return p.all
	}
	if seq > g.seq {
		return g
	}
	delete(p.gaps, id)
	return gap{}
}

// accept hands a message to the router, in the order of its stream.
func (p *post) accept(m *incoming, template *engine.Message, at place) {
	msg := *template
	msg.ID, msg.Tag = m.id.id, at.tag()
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
		p.http.config.Holds.done(msg.ID)
	case kindFlush:
		msg.Kind = engine.Flush
	case kindResume:
		msg.Kind = engine.Resume
	}
	p.pin(m, msg.Kind, at)
	err := context.Canceled
	if !p.stop {
		err = p.http.router.Route(p.ctx, msg, p.sender)
	}
	if err == nil {
		p.http.stats.messages.Add(1)
		return
	}
	p.unpin(m, msg.Kind)
	code, retry := codeOf(err)
	text := err.Error()
	if code == "" {
		p.stop = true
		code, text, retry = codeUnavailable, "the server is shutting down: send it again", true
	}
	if retry && m.seq != 0 {
		p.open(m.id.id, gap{m.seq, code})
	}
	p.refuse(m, at, code, text, retry)
}

// done notes, for whoever holds the stream id, that a done is sent to it.
func (h *Holds) done(id string) {
	s := h.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.m[id]; x != nil {
		x.open.Store(false)
	}
}

// open notes a gap.
func (p *post) open(id string, g gap) {
	if len(p.gaps) == maxGaps {
		p.all = g
		return
	}
	if p.gaps == nil {
		p.gaps = make(map[string]gap)
	}
	p.gaps[strings.Clone(id)] = g
}

// pin counts a message as outstanding, before it is routed.
func (p *post) pin(m *incoming, kind engine.Kind, at place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting++
	if p.name == "" && m.seq != 0 {
		for len(p.seqs) <= at.index {
			p.seqs = append(p.seqs, 0)
		}
		p.seqs[at.index] = m.seq
	}
	if kind != engine.Report {
		return
	}
	s := p.streams[m.id.id]
	if s == nil {
		if len(p.spare) == 0 {
			p.spare = make([]touched, min(max(len(p.streams), 1), 64))
		}
		s, p.spare = &p.spare[0], p.spare[1:]
		s.id = strings.Clone(m.id.id)
		p.streams[s.id] = s
	}
	s.outstanding++
}

func (p *post) unpin(m *incoming, kind engine.Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
	if kind == engine.Report {
		p.settle(m.id.id, 1)
	}
}

// settle takes n of the outstanding messages of a stream away. It needs the lock.
func (p *post) settle(id string, n int) {
	s := p.streams[id]
	if s == nil {
		return
	}
	if s.outstanding -= n; s.outstanding <= 0 {
		delete(p.streams, id)
	}
}

// flush flushes the streams of the request, so that its answer waits for no linger.
// It returns false where the client is gone.
func (p *post) flush(template *engine.Message, client context.Context) bool {
	if p.http.ackSpooled && !p.flushAll {
		return true // it is answered before
	}
	p.mu.Lock()
	ids := make([]string, 0, len(p.streams))
	for id := range p.streams {
		ids = append(ids, id)
	}
	p.mu.Unlock()
	msg := *template
	msg.Kind, msg.Op, msg.Time, msg.Data, msg.Tag = engine.Flush, opFlush, msg.Received, nullData, flushTag
	here := true
	for _, msg.ID = range ids {
		// Nobody waits for the flushes of a client that is gone; there are no more of
		// them than it has messages outstanding.
		p.mu.Lock()
		full := p.flushing >= maxFlushes
		p.mu.Unlock()
		if here && full {
			here = p.wait(client, func() bool { return p.flushing <= maxFlushes/2 })
		}
		p.mu.Lock()
		needed := p.streams[msg.ID] != nil
		if needed {
			p.flushing++
		}
		p.mu.Unlock()
		if !needed {
			continue
		}
		if err := p.http.router.Route(p.http.ctx, msg, p.sender); err != nil {
			p.mu.Lock()
			p.flushing--
			p.mu.Unlock()
			return here // a drain flushes everything
		}
	}
	if !here {
		return false
	}
	return !p.flushAll || p.wait(client, func() bool { return p.flushing == 0 })
}

// wait waits until ok, which is called with the lock, and once true stays so. It
// returns false where the client is gone before.
func (p *post) wait(client context.Context, ok func() bool) bool {
	p.mu.Lock()
	if ok() {
		p.mu.Unlock()
		return true
	}
	p.until = ok
	p.mu.Unlock()
	select {
	case <-p.wake:
		return true
	case <-client.Done():
		return false
	}
}

// fault answers a message that is not routed because of what it is.
func (p *post) fault(m *incoming, at place, code, text string) {
	p.faults++
	p.refuse(m, at, code, text, false)
}

// refuse answers a message that was not accepted.
func (p *post) refuse(m *incoming, at place, code, text string, retry bool) {
	f := failure{code: code, text: text, retry: retry, id: m.id, seq: m.seq, index: at.index}
	if !p.stop {
		p.http.notAccepted(p.pass.remote, p.name, &f)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail(f, at)
}

// fail notes an error answer. f may be a view into the body. It needs the lock.
func (p *post) fail(f failure, at place) {
	p.http.stats.failed(f.code)
	logFailure(p.http.log, p.pass.remote, p.name, &f)
	p.outcome.fail(f, at.line)
}

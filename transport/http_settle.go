package transport

import (
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// Spooled tells the request, while it waits.
func (s *postSender) Spooled(ms []engine.Message) {
	if p := s.post.Load(); p != nil {
		p.noteSpooled(ms)
	}
}

// Settled tells the request, while it waits.
func (s *postSender) Settled(ms []engine.Message, r engine.Result, err error) {
	if p := s.post.Load(); p != nil {
		p.noteSettled(ms, r, err)
	}
}

// noteSpooled counts ms, at the level "spooled". What becomes of them later, the
// request does not wait for.
func (p *post) noteSpooled(ms []engine.Message) {
	if !p.http.ackSpooled {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	for i := range ms {
		m := &ms[i]
		if m.Kind != engine.Report || p.isSpooled(m) {
			continue
		}
		p.setSpooled(m)
		p.waiting--
		p.outcome.taken++
	}
	p.poke()
}

// noteSettled takes ms from what is waited for, and notes their outcome.
func (p *post) noteSettled(ms []engine.Message, r engine.Result, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	reports := 0
	for i := range ms {
		m := &ms[i]
		if m.Kind == engine.Report {
			reports++
		}
		switch {
		case m.Tag == flushTag:
			p.flushing--
		case m.Kind == engine.Report && p.isSpooled(m):
		default:
			p.waiting--
			p.note(m, r, err)
		}
	}
	if reports > 0 {
		p.settle(ms[0].ID, reports)
	}
	p.poke()
}

// poke wakes the handler once what it waits for is so. It needs the lock.
func (p *post) poke() {
	if p.until != nil && p.until() {
		p.until = nil
		p.wake <- struct{}{} // there is room: nobody else sends, and once
	}
}

// note notes what became of a message. It needs the lock.
func (p *post) note(m *engine.Message, r engine.Result, err error) {
	at := placeOf(m.Tag)
	id := wireID{m.ID, at.numeric}
	switch {
	case m.Kind == engine.Report && (err == nil || seedbug.Is("http-refusal-swallowed")):
		p.outcome.taken++
	case err == nil && m.Kind == engine.Done:
		p.outcome.tell(&p.outcome.done, id, "messages", r.Rows)
	case err == nil && m.Kind == engine.Resume && r.LastSeq < 0:
		p.fail(failure{
			code: codeUnsupported, text: "the sink cannot tell the last number", id: id, seq: p.seq(m, at), index: at.index,
		}, at)
	case err == nil && m.Kind == engine.Resume:
		p.outcome.tell(&p.outcome.resume, id, "seq", r.LastSeq)
	case err == nil:
		p.outcome.asked++
	case engine.IsPermanent(err):
		f := refused(err)
		f.id, f.seq, f.index = id, p.seq(m, at), at.index
		p.fail(f, at)
	default:
		// Nobody knows whether it will be stored; with its key it may be sent again.
		seq := p.seq(m, at)
		p.fail(failure{
			code: codeUndelivered, text: "the server was shut down before this was stored; it keeps it, to be stored later",
			retry: p.name != "" && seq != 0, id: id, seq: seq, index: at.index,
		}, at)
	}
}

// seq is the number that the client gave.
func (p *post) seq(m *engine.Message, at place) int64 {
	if p.name != "" {
		return m.Seq
	}
	if at.index < len(p.seqs) {
		return p.seqs[at.index]
	}
	return 0
}

func (p *post) isSpooled(m *engine.Message) bool {
	i := placeOf(m.Tag).index
	return i>>6 < len(p.spooled) && p.spooled[i>>6]&(1<<(i&63)) != 0
}

func (p *post) setSpooled(m *engine.Message) {
	i := placeOf(m.Tag).index
	for i>>6 >= len(p.spooled) {
		p.spooled = append(p.spooled, 0)
	}
	p.spooled[i>>6] |= 1 << (i & 63)
}

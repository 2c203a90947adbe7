package spool

import (
	"sync"

	"github.com/ingestd/ingestd/engine"
)

// A producer stands for an engine.Producer towards next: next settles with it. So
// the messages of different producers are told apart without a table of messages.
type producer struct {
	s  *Spool
	to engine.Producer // nil: nobody hears what becomes of the messages
	at handle

	waiting int              // messages that are accepted and not settled; producers.mu guards it
	spooled []engine.Message // the committer's
}

// Spooled is not called: there is one spool.
func (p *producer) Spooled([]engine.Message) {}

// Settled notes what is settled, and tells the producer.
func (p *producer) Settled(ms []engine.Message, r engine.Result, err error) {
	p.s.settled(ms, err)
	p.tell(ms, r, err)
}

func (p *producer) tell(ms []engine.Message, r engine.Result, err error) {
	if p.to == nil {
		return
	}
	p.to.Settled(ms, r, err)
	p.s.producers.release(p, len(ms))
}

// producers is the table of those that wait for something.
type producers struct {
	s      *Spool
	nobody *producer // in slot 0

	mu   sync.Mutex // guards what follows
	of   map[engine.Producer]*producer
	slot []*producer
	free []handle
	all  int // what all wait for
}

func (t *producers) init(s *Spool) {
	t.s = s
	t.nobody = &producer{s: s}
	t.of = make(map[engine.Producer]*producer)
	t.slot = []*producer{t.nobody}
}

// hold gives what stands for p, which waits for one more message.
func (t *producers) hold(p engine.Producer) *producer {
	if p == nil {
		return t.nobody
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.of[p]
	if e == nil {
		h := handle{slot: uint32(len(t.slot))}
		if n := len(t.free); n > 0 {
			h = t.free[n-1]
			t.free = t.free[:n-1]
		} else {
			t.slot = append(t.slot, nil)
		}
		e = &producer{s: t.s, to: p, at: h}
		t.slot[h.slot] = e
		t.of[p] = e
	}
	e.waiting++
	t.all++
	return e
}

// release notes that p waits for n messages less.
func (t *producers) release(p *producer, n int) {
	if p == t.nobody {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all -= n
	if p.waiting -= n; p.waiting > 0 {
		return
	}
	delete(t.of, p.to)
	t.slot[p.at.slot] = nil
	t.free = append(t.free, handle{p.at.slot, p.at.tenant + 1})
}

// get gives the producer of a record of this run.
func (t *producers) get(h handle) *producer {
	t.mu.Lock()
	defer t.mu.Unlock()
	if int(h.slot) < len(t.slot) {
		if p := t.slot[h.slot]; p != nil && p.at == h {
			return p
		}
	}
	return t.nobody
}

// left gives how many messages are waited for, and by whom.
func (t *producers) left() (n int, who []*producer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.slot {
		if p != nil && p.waiting > 0 {
			who = append(who, p)
		}
	}
	return t.all, who
}

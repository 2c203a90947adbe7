package spool

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/ingestd/ingestd/engine"
)

// held is a Next that keeps what it is given until the test settles it.
type held struct {
	mu     sync.Mutex
	queues map[string][]given // by stream
	all    []engine.Message   // that it was given, in order
	closed bool
	refuse func(m *engine.Message) error // what Route returns
	auto   func(m *engine.Message) bool  // whether a message is settled at once
	most   int                           // the most messages that it held at once
	holds  int
	cost   map[string]int64
	gate   chan struct{} // closed by Run's end
}

type given struct {
	m engine.Message
	p engine.Producer
}

func newHeld() *held {
	return &held{queues: map[string][]given{}, cost: map[string]int64{}, gate: make(chan struct{})}
}

func (h *held) Route(ctx context.Context, m engine.Message, p engine.Producer) error {
	h.mu.Lock()
	if err := ctx.Err(); err != nil {
		h.mu.Unlock()
		return err
	}
	if h.closed {
		h.mu.Unlock()
		return engine.ErrClosed
	}
	if h.refuse != nil && m.Pos > 0 {
		if err := h.refuse(&m); err != nil {
			h.mu.Unlock()
			return err
		}
	}
	m.Data = bytes.Clone(m.Data)
	if m.Pos > 0 { // otherwise it is the feeder's own flush
		h.all = append(h.all, m)
	}
	if h.auto != nil && h.auto(&m) && len(h.queues[m.ID]) == 0 {
		h.mu.Unlock()
		p.Settled([]engine.Message{m}, engine.Result{}, nil)
		return nil
	}
	if m.Pos == 0 && len(h.queues[m.ID]) == 0 {
		h.mu.Unlock()
		p.Settled([]engine.Message{m}, engine.Result{}, nil)
		return nil
	}
	h.queues[m.ID] = append(h.queues[m.ID], given{m, p})
	h.cost[m.ID] += weight(&m)
	h.holds++
	h.most = max(h.most, h.holds)
	h.mu.Unlock()
	return nil
}

// Run waits, then gives up what is left.
func (h *held) Run(ctx context.Context) error {
	<-ctx.Done()
	h.mu.Lock()
	h.closed = true
	queues := h.queues
	h.queues = map[string][]given{}
	h.mu.Unlock()
	left := false
	for _, q := range queues {
		for _, g := range q {
			left = true
			g.p.Settled([]engine.Message{g.m}, engine.Result{Rows: -1, LastSeq: -1}, engine.ErrUndelivered)
		}
	}
	if left {
		return errors.Join(engine.ErrUndelivered)
	}
	return nil
}

// settle settles the first n messages of a stream, several of one producer at once,
// and gives them.
func (h *held) settle(id string, n int, err error) []engine.Message {
	h.mu.Lock()
	q := h.queues[id]
	n = min(n, len(q))
	h.queues[id] = q[n:]
	q = q[:n]
	for i := range q {
		h.cost[id] -= weight(&q[i].m)
	}
	h.holds -= n
	h.mu.Unlock()
	var done []engine.Message
	for i, j := 0, 0; i < len(q); i = j {
		var ms []engine.Message
		for j = i; j < len(q) && q[j].p == q[i].p; j++ {
			ms = append(ms, q[j].m)
		}
		q[i].p.Settled(ms, engine.Result{}, err)
		done = append(done, ms...)
	}
	return done
}

// flushes counts those of a stream that it holds and that nobody sent.
func (h *held) flushes(id string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.queues[id] {
		if g.m.Kind == engine.Flush && g.m.Pos == 0 {
			n++
		}
	}
	return n
}

// settleAll settles everything that it holds, and what comes, until nothing does.
func (h *held) settleAll() {
	h.mu.Lock()
	var ids []string
	for id := range h.queues {
		ids = append(ids, id)
	}
	h.auto = func(*engine.Message) bool { return true }
	h.mu.Unlock()
	for _, id := range ids {
		h.settle(id, 1<<30, nil)
	}
}

// got gives what it was given, in order.
func (h *held) got() []engine.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]engine.Message(nil), h.all...)
}

// weight is what m counts, as in the engine.
func weight(m *engine.Message) int64 {
	if m.Kind != engine.Report {
		return 0
	}
	return cost(m)
}

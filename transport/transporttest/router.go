package transporttest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/ingestd/ingestd/engine"
)

// Router is an [engine.Router] in the hands of a test. As it is made it accepts
// every message and settles it at once, from a goroutine of its own; the methods
// change that. It copies what it accepts, and spoils the memory of what it has
// settled, so that a transport that keeps either is found out. All its methods
// may be called at any time.
type Router struct {
	mu      sync.Mutex
	changed sync.Cond

	accepted []engine.Message // all there ever were, in order
	streams  map[string][]entry
	order    []string // the streams with something to settle, oldest first
	pending  int
	rows     map[string]int64
	last     map[[2]string]int64 // by client and id

	held, inline, closed, blind bool

	blocked func(engine.Message) bool // nil: nothing is
	waiting int                       // calls of Route that are blocked
	refuse  func(engine.Message) error
	outcome func(engine.Message) error

	working bool // the settling goroutine exists
}

type entry struct {
	message  engine.Message
	producer engine.Producer
}

var _ engine.Router = (*Router)(nil)

// NewRouter makes a Router that settles everything at once.
func NewRouter() *Router {
	r := &Router{
		streams: make(map[string][]entry),
		rows:    make(map[string]int64),
		last:    make(map[[2]string]int64),
	}
	r.changed.L = &r.mu
	return r
}

// Route implements [engine.Router].
func (r *Router) Route(ctx context.Context, m engine.Message, p engine.Producer) error {
	if err := r.accept(ctx, m, p); err != nil {
		return err
	}
	r.mu.Lock()
	inline := r.inline
	r.mu.Unlock()
	if inline {
		r.Settle(strings.Clone(m.ID), 1<<30, nil)
	}
	return nil
}

func (r *Router) accept(ctx context.Context, m engine.Message, p engine.Producer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.blocks(m) {
		stop := context.AfterFunc(ctx, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.changed.Broadcast()
		})
		defer stop()
		r.waiting++
		r.changed.Broadcast()
		for r.blocks(m) && ctx.Err() == nil {
			r.changed.Wait()
		}
		r.waiting--
		r.changed.Broadcast()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if r.closed {
		return engine.ErrClosed
	}
	if r.refuse != nil {
		if err := r.refuse(m); err != nil {
			return err
		}
	}
	m.ID = strings.Clone(m.ID)
	m.Data = bytes.Clone(m.Data)
	r.accepted = append(r.accepted, m)
	kept := m
	kept.Data = bytes.Clone(m.Data)
	if len(r.streams[m.ID]) == 0 {
		r.order = append(r.order, m.ID)
	}
	r.streams[m.ID] = append(r.streams[m.ID], entry{kept, p})
	r.pending++
	r.changed.Broadcast()
	r.work()
	return nil
}

// Hold keeps back what is accepted from now on, until Release or Settle.
func (r *Router) Hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = true
}

// Release ends Hold and Inline, and settles everything.
func (r *Router) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held, r.inline = false, false
	r.work()
}

// Block makes Route wait with reports until Unblock: with those of the given
// ids, or, without any, with all.
func (r *Router) Block(ids ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocked = func(m engine.Message) bool {
		return m.Kind == engine.Report && (len(ids) == 0 || slices.Contains(ids, m.ID))
	}
}

func (r *Router) blocks(m engine.Message) bool { return r.blocked != nil && r.blocked(m) }

// Inline makes Route settle a message before it returns, as an engine may whose
// sink is quicker than the caller.
func (r *Router) Inline() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held, r.inline = true, true
}

// Unblock ends Block.
func (r *Router) Unblock() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocked = nil
	r.changed.Broadcast()
}

// Close makes Route return [engine.ErrClosed], as it does in a drain.
func (r *Router) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// Refuse makes Route return f's error for a message; nil accepts it.
func (r *Router) Refuse(f func(engine.Message) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = f
}

// Outcome makes messages settle with f's error; nil stores them. Settle takes
// precedence.
func (r *Router) Outcome(f func(engine.Message) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcome = f
}

// Blind makes the Router one whose sink cannot count: it gives -1 for rows and
// numbers.
func (r *Router) Blind() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blind = true
}

// Messages are those that were accepted so far, in order.
func (r *Router) Messages() []engine.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]engine.Message(nil), r.accepted...)
}

// Pending is how many messages are accepted and not settled.
func (r *Router) Pending() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pending
}

// Blocked is how many calls of Route wait.
func (r *Router) Blocked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting
}

// Wait waits until ok is true of the Router, which it looks at whenever
// something has changed, or ctx ends. ok may call no method of the Router.
func (r *Router) Wait(ctx context.Context, ok func(s State) bool) error {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changed.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !ok(State{r.accepted, r.pending, r.waiting}) {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.changed.Wait()
	}
	return nil
}

// State is what Wait looks at.
type State struct {
	Messages []engine.Message // accepted so far; not to be changed or kept
	Pending  int              // not settled
	Blocked  int              // calls of Route that wait
}

package transporttest

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ingestd/ingestd/engine"
)

// Subject is a kind of transport to be checked.
type Subject struct {
	// New makes a transport that has not been served yet, and the way to become one
	// of its senders. It cleans up after itself with t.Cleanup.
	New func(t testing.TB) (engine.Transport, Dial)

	// AtOnce says that a sender is told of all that one Send brought at once, when the
	// last of it is settled, as a request is answered.
	AtOnce bool

	// Silent says that senders are told nothing, as those of a feed are: what the kit
	// would see by what they are told, it sees by what is routed, or not at all.
	Silent bool
}

// Dial opens a sender. It may be called once the transport is being served.
type Dial func(ctx context.Context) (Sender, error)

// Sender is the far end of a transport: what a client does with it. Its methods
// may be called concurrently.
type Sender interface {
	// Send hands over messages together, as one frame or request may, numbered, so
	// that their outcome is told. It may return before the transport has read them.
	Send(ctx context.Context, rs ...Report) error

	// Receive gives the next thing that the sender is told, or an error once the
	// transport has ended the connection.
	Receive(ctx context.Context) (Answer, error)

	// Vanish ends the connection without a word. It may be called again.
	Vanish()
}

// Report is what a Sender sends.
type Report struct {
	ID   string
	Seq  int64  // ascending within the ID
	Data string // JSON
}

// Answer is what a Sender is told.
type Answer struct {
	ID     string
	Seq    int64 // this one and, unless it is an error, all before it of the ID
	Failed bool  // it was not stored
}

// patience is how long a case waits for what must come; what must not come is
// waited for much shorter. Only the kit's own tests change it.
var patience = 10 * time.Second

const glimpse = 100 * time.Millisecond

// Run checks that a transport keeps the contract.
func Run(t *testing.T, s Subject) {
	t.Helper()
	for _, c := range cases {
		if c.told && s.Silent {
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.check(t, s) })
	}
}

// testCase is one sentence of the contract. told says that it is about what senders
// are told.
type testCase struct {
	name     string
	contract string
	told     bool
	run      func(*kit)
}

// kit is what a case works with: a transport that is being served to a Router.
type kit struct {
	testing.TB
	subject  Subject
	ctx      context.Context
	router   *Router
	contract string
	dial     Dial
	end      context.CancelFunc // ends Serve's ctx
	served   chan error
	senders  []Sender
}

func (c testCase) check(t testing.TB, s Subject) {
	leaks := goleak.IgnoreCurrent()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	serveCtx, end := context.WithCancel(context.Background())
	defer end()
	k := &kit{TB: t, subject: s, ctx: ctx, router: NewRouter(), contract: c.contract, end: end, served: make(chan error, 1)}
	var transport engine.Transport
	transport, k.dial = s.New(t)
	go func() { k.served <- transport.Serve(serveCtx, k.router) }()
	defer func() {
		k.router.Unblock()
		k.router.Release()
		k.vanish()
	}()
	c.run(k)

	k.router.Unblock()
	k.router.Release()
	k.vanish() // a sender that does not read may be waited for, for a while
	end()
	k.returned()
	if err := goleak.Find(leaks); err != nil {
		k.broken("after Serve: %v", err)
	}
}

func (k *kit) vanish() {
	for _, s := range k.senders {
		s.Vanish()
	}
}

// broken fails the case, with its sentence.
func (k *kit) broken(format string, args ...any) {
	k.Helper()
	k.Errorf(format, args...)
	k.Errorf("the contract says: %s", k.contract)
	k.FailNow()
}

// returned waits for Serve, which must return nil.
func (k *kit) returned() {
	k.Helper()
	select {
	case err := <-k.served:
		if err != nil {
			k.broken("Serve returned %v", err)
		}
		k.served <- nil
	case <-time.After(patience):
		buf := make([]byte, 64<<10)
		k.Logf("%s", buf[:runtime.Stack(buf, true)])
		k.broken("Serve does not return")
	}
}

// running makes sure that Serve does not return yet.
func (k *kit) running() {
	k.Helper()
	select {
	case err := <-k.served:
		k.served <- err
		k.broken("Serve has returned already: %v", err)
	case <-time.After(glimpse):
	}
}

func (k *kit) sender() Sender {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.ctx, patience)
	defer cancel()
	s, err := k.dial(ctx)
	if err != nil {
		k.broken("connect: %v", err)
	}
	k.senders = append(k.senders, s)
	return s
}

func (k *kit) send(s Sender, rs ...Report) {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.ctx, patience)
	defer cancel()
	for i := range rs {
		if rs[i].Data == "" {
			rs[i].Data = "null"
		}
	}
	if err := s.Send(ctx, rs...); err != nil {
		k.broken("send %v: %v", rs, err)
	}
}

func (k *kit) receive(s Sender) Answer {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.ctx, patience)
	defer cancel()
	a, err := s.Receive(ctx)
	if err != nil {
		k.broken("an answer is missing: %v", err)
	}
	return a
}

// acked receives until the number is acked, and nothing but acks. Where senders are
// told nothing, it waits until a message of the stream has been routed and all is
// settled.
func (k *kit) acked(s Sender, id string, seq int64) {
	k.Helper()
	if k.subject.Silent {
		k.routed("a message of "+id, func(s State) bool {
			return s.Pending == 0 && slices.ContainsFunc(s.Messages, func(m engine.Message) bool { return m.ID == id })
		})
		return
	}
	for {
		a := k.receive(s)
		if a.Failed || a.ID != id || a.Seq > seq {
			k.broken("the sender is told %+v; want an ack of %s up to %d", a, id, seq)
		}
		if a.Seq == seq {
			return
		}
	}
}

func (k *kit) closed(s Sender) {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.ctx, patience)
	defer cancel()
	a, err := s.Receive(ctx)
	if err == nil {
		k.broken("the sender is told %+v; want the end of the connection", a)
	}
	if ctx.Err() != nil {
		k.broken("the connection is not closed")
	}
}

func (k *kit) routed(what string, ok func(State) bool) {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.ctx, patience)
	defer cancel()
	if err := k.router.Wait(ctx, ok); err != nil {
		k.broken("waiting for %s: routed were %v", what, k.router.Messages())
	}
}

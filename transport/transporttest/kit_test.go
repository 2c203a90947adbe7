package transporttest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// verdict is a testing.TB that remembers whether a case failed.
type verdict struct {
	testing.TB
	failed bool
	text   strings.Builder
}

func (v *verdict) Helper() {}
func (v *verdict) Logf(string, ...any) {
}

func (v *verdict) Errorf(format string, args ...any) {
	v.failed = true
	fmt.Fprintf(&v.text, format+"\n", args...)
}

func (v *verdict) FailNow() { runtime.Goexit() }

func judge(t *testing.T, c testCase, s Subject) *verdict {
	v := &verdict{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.check(v, s)
	}()
	<-done
	return v
}

// memory is a transport within the process, and one of the simplest that keep the
// contract. Its faults are those that the kit must find.
type memory struct {
	fault string

	mu      sync.Mutex
	serving chan struct{}
	open    map[*link]bool
	drained bool
	group   sync.WaitGroup
	router  engine.Router
	ctx     context.Context
}

// link is one sender of a memory.
type link struct {
	t      *memory
	mu     sync.Mutex
	locked sync.Mutex // the fault "lock"
	told   []Answer
	asked  []Report
	left   int // not settled
	done   bool
	wake   chan struct{}
}

func (t *memory) Serve(ctx context.Context, r engine.Router) error {
	t.ctx, t.router = ctx, r
	if t.fault == "exhausted" {
		return nil
	}
	if t.fault == "leak" {
		go func() { <-time.After(5 * time.Second) }()
	}
	close(t.serving)
	<-ctx.Done()
	t.mu.Lock()
	t.drained = true
	links := make([]*link, 0, len(t.open))
	for l := range t.open {
		links = append(links, l)
	}
	t.mu.Unlock()
	for _, l := range links {
		l.poke()
	}
	if t.fault == "early" {
		for _, l := range links {
			l.Vanish()
		}
	}
	t.group.Wait()
	if t.fault == "error" {
		return ctx.Err()
	}
	return nil
}

func (t *memory) dial(ctx context.Context) (Sender, error) {
	select {
	case <-t.serving:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.drained {
		return nil, errors.New("draining")
	}
	l := &link{t: t, wake: make(chan struct{})}
	t.open[l] = true
	t.group.Go(l.run)
	return l, nil
}

// poke wakes whoever waits for the link. It needs no lock.
func (l *link) poke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pokeLocked()
}

func (l *link) pokeLocked() {
	close(l.wake)
	l.wake = make(chan struct{})
}

// run routes what is sent, until the end.
func (l *link) run() {
	for {
		l.mu.Lock()
		for len(l.asked) == 0 {
			ended := l.t.ctx.Err() != nil
			if l.done || ended && (l.left == 0 || l.t.fault == "early") {
				l.done = true
				l.pokeLocked()
				l.mu.Unlock()
				return
			}
			wake := l.wake
			l.mu.Unlock()
			<-wake
			l.mu.Lock()
		}
		r := l.asked[0]
		l.asked = l.asked[1:]
		ctx := l.t.ctx
		if l.t.fault == "deaf" {
			ctx = context.Background()
		} else if ctx.Err() != nil {
			l.mu.Unlock()
			continue
		}
		l.left++
		l.mu.Unlock()
		l.route(ctx, r)
	}
}

func (l *link) route(ctx context.Context, r Report) {
	now := time.Now().UTC()
	m := engine.Message{ID: r.ID, Tag: r.Seq, Op: "report", Time: now, Received: now, Data: []byte(r.Data)}
	switch l.t.fault {
	case "rewritten":
		m.Data = []byte(strings.ReplaceAll(r.Data, " ", ""))
	case "swapped":
		if r.Seq%50 == 0 {
			_ = l.t.router.Route(ctx, m, nil)
			m.Data = []byte("0")
		}
	case "lock":
		l.locked.Lock()
		defer l.locked.Unlock()
	case "one at a time":
		l.t.mu.Lock()
		defer l.t.mu.Unlock()
	}
	err := l.t.router.Route(ctx, m, l)
	if err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left--
	if l.t.fault != "silent" && (errors.Is(err, engine.ErrTooManyStreams) || errors.Is(err, engine.ErrOverloaded)) {
		l.told = append(l.told, Answer{r.ID, r.Seq, true})
	}
	l.pokeLocked()
}

func (l *link) Spooled([]engine.Message) {}

func (l *link) Settled(ms []engine.Message, _ engine.Result, err error) {
	if l.t.fault == "lock" {
		l.locked.Lock()
		defer l.locked.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.t.fault == "waits" && len(l.told) > 100 && !l.done {
		wake := l.wake
		l.mu.Unlock()
		<-wake
		l.mu.Lock()
	}
	l.left -= len(ms)
	if l.t.fault == "mute" {
		ms = nil
	}
	for _, m := range ms {
		failed := engine.IsPermanent(err)
		switch {
		case err == nil, failed, l.t.fault == "talkative":
		default:
			continue
		}
		if l.t.fault == "all is well" {
			failed = false
		}
		l.told = append(l.told, Answer{m.ID, m.Tag, failed})
		if l.t.fault == "broadcast" {
			l.mu.Unlock()
			l.t.tellOthers(l, Answer{m.ID, m.Tag, failed})
			l.mu.Lock()
		}
	}
	l.pokeLocked()
}

// tellOthers tells every link but one, whose business it is.
func (t *memory) tellOthers(but *link, a Answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for l := range t.open {
		if l != but {
			l.mu.Lock()
			l.told = append(l.told, a)
			l.pokeLocked()
			l.mu.Unlock()
		}
	}
}

func (l *link) Send(_ context.Context, rs ...Report) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return errors.New("closed")
	}
	l.asked = append(l.asked, rs...)
	l.pokeLocked()
	return nil
}

func (l *link) Receive(ctx context.Context) (Answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.told) == 0 {
		if l.done {
			return Answer{}, errors.New("closed")
		}
		wake := l.wake
		l.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
		}
		l.mu.Lock()
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
	}
	a := l.told[0]
	l.told = l.told[1:]
	l.pokeLocked()
	return a, nil
}

func (l *link) Vanish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = true
	l.pokeLocked()
}

func subject(fault string) Subject {
	return Subject{New: func(testing.TB) (engine.Transport, Dial) {
		t := &memory{fault: fault, serving: make(chan struct{}), open: make(map[*link]bool)}
		return t, t.dial
	}}
}

func TestKitAcceptsAGoodTransport(t *testing.T) { Run(t, subject("")) }

// One whose senders are told nothing is judged by what it routes.
func TestKitAcceptsASilentTransport(t *testing.T) {
	s := subject("mute")
	s.Silent = true
	Run(t, s)
}

// Each planted fault is found by the case that is there for it.
func TestKitFindsFaults(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	patience = time.Second
	for fault, name := range map[string]string{
		"exhausted":     "nothing happens",
		"error":         "nothing happens",
		"leak":          "nothing happens",
		"rewritten":     "as sent",
		"swapped":       "in order",
		"broadcast":     "to its sender",
		"all is well":   "refused for good",
		"talkative":     "undelivered",
		"silent":        "not accepted",
		"one at a time": "back-pressure",
		"lock":          "settled inside of Route",
		"waits":         "a sender that does not read",
		"deaf":          "the drain routes nothing",
		"early":         "the drain tells everything",
	} {
		t.Run(fault, func(t *testing.T) {
			for _, c := range cases {
				if c.name != name {
					continue
				}
				v := judge(t, c, subject(fault))
				text := v.text.String()
				if !v.failed || !strings.Contains(text, c.contract) || strings.Contains(text, "after Serve") != (fault == "leak") {
					t.Errorf("%q is not found by the case %q: %s", fault, name, v.text.String())
				}
				return
			}
			t.Fatal("there is no such case: ", name)
		})
	}
}

package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
)

// A life is one run of a spool: what is done to it, and how it ends.
type life struct {
	steps   []lifeStep
	crashAt int    // the operation on the file system at which it crashes; 0: at its end, orderly
	image   uint64 // chooses what is found after the crash
	share   engine.Size
}

type lifeStep struct {
	op     string
	stream int
	size   int
	count  int
}

func drawLife(t *rapid.T) life {
	l := life{
		steps: rapid.SliceOfN(rapid.Custom(drawLifeStep), 0, 60).Draw(t, "steps"),
		image: rapid.Uint64().Draw(t, "image"),
		share: engine.Size(rapid.SampledFrom([]int{64, 256, 100_000}).Draw(t, "max pending")) * engine.KiB,
	}
	if rapid.IntRange(0, 5).Draw(t, "ends") > 0 {
		l.crashAt = rapid.IntRange(1, 150).Draw(t, "crash at")
	}
	return l
}

func drawLifeStep(t *rapid.T) lifeStep {
	return lifeStep{
		op: rapid.SampledFrom([]string{
			"route", "route", "route", "route", "route", "route", "done", "settle", "settle", "settle", "refuse", "wait", "rest", "full", "space",
		}).Draw(t, "op"),
		stream: rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 3, 4}).Draw(t, "stream"),
		size:   rapid.SampledFrom([]int{1, 1, 1, 1, 40, 300, 5000, 50_000}).Draw(t, "size"),
		count:  rapid.IntRange(1, 40).Draw(t, "count"),
	}
}

// A world is what outlives the lives: the disk, and what was promised.
type world struct {
	t       *rapid.T
	fs      *crashFS
	numbers *engine.Numbers
	life    int

	mu  sync.Mutex
	all []*promise // in the order of acceptance
}

// A promise is a message that was accepted.
type promise struct {
	m       engine.Message
	life    int
	spooled bool
	settled bool
	lost    bool // it was never told to be spooled, and a crash took it
	given   int  // the life in which it was last handed on
}

// TestSchedules is about crashes: random lives of a spool one after the other, with
// what the disk keeps of each between them. What was told to be spooled and is not
// settled is handed on in the next life, in order, unaltered, and nothing else that
// is new; of what was settled, only the last part of each stream.
func TestSchedules(t *testing.T) {
	for range long.Scale(3, 100) {
		rapid.Check(t, func(rt *rapid.T) {
			lives := rapid.SliceOfN(rapid.Custom(drawLife), 1, 5).Draw(rt, "lives")
			synctest.Test(t, func(*testing.T) {
				w := &world{t: rt, fs: newCrashFS(), numbers: numbers()}
				for _, l := range append(lives, life{share: 100 * engine.MiB}) {
					w.life++
					w.live(l, w.life > len(lives))
				}
			})
		})
	}
}

// live runs one life. In the last one everything is settled.
func (w *world) live(l life, last bool) {
	w.fs.crashAt = l.crashAt
	s, err := Open(Config{
		Max: engine.MiB, Numbers: w.numbers,
		Limits: Limits{MaxPending: max(l.share, 512*engine.KiB), MaxStreams: 100, DrainTimeout: time.Second}, fs: w.fs, rewriteAt: 100,
	})
	if err != nil {
		if !w.fs.crashed() {
			w.t.Errorf("life %d: Open: %v", w.life, err)
			w.fs.crash()
		}
		w.reboot(l) // it crashed while it recovered
		return
	}
	s.flows.limit(int64(l.share) / 8)
	next := newHeld()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, next) }()
	for _, step := range l.steps {
		w.do(s, next, step)
	}
	synctest.Wait()
	w.fs.fill(false)
	if last {
		time.Sleep(2 * retryMax) // it goes on by itself
		next.settleAll()
		time.Sleep(time.Second)
		synctest.Wait()
	}
	if l.crashAt > 0 {
		w.fs.crash()
	}
	stop()
	err = <-ended
	if err != nil && !w.fs.crashed() {
		w.t.Errorf("life %d: Run: %v", w.life, err)
	}
	if open := w.fs.leaks(); len(open) > 0 {
		w.t.Errorf("life %d: still open: %v", w.life, open)
	}
	w.judge(next.got(), s)
	if st := s.Stats(); !w.fs.crashed() && (st.Corrupt > 0 || st.Missing > 0) {
		w.t.Errorf("life %d: %+v", w.life, st)
	}
	if w.fs.crashed() {
		w.reboot(l)
	}
}

func (w *world) reboot(l life) {
	w.fs = w.fs.image(rand.New(rand.NewPCG(l.image, 1)))
}

func (w *world) do(s *Spool, next *held, step lifeStep) {
	id := fmt.Sprint("stream", step.stream)
	switch step.op {
	case "route", "done":
		w.route(s, id, step)
	case "settle":
		w.settle(next, id, step.count, nil)
	case "refuse":
		w.settle(next, id, 1, engine.Permanent(errors.New("too long")))
	case "wait":
		time.Sleep(time.Duration(step.count) * 10 * time.Millisecond)
	case "rest":
		synctest.Wait()
	case "full", "space":
		w.fs.fill(step.op == "full")
	}
}

func (w *world) route(s *Spool, id string, step lifeStep) {
	p := &promise{life: w.life}
	w.mu.Lock()
	n := len(w.all)
	p.m = engine.Message{
		ID: id, Op: "op", Code: int64(n), Tag: int64(n), Remote: "remote", Sender: "sender",
		Data: fmt.Appendf(nil, "%d %s", n, bytes.Repeat([]byte{'x'}, step.size)),
	}
	if step.op == "done" {
		p.m.Kind = engine.Done
	}
	if step.count%2 == 0 {
		p.m.Client, p.m.Seq = "client", int64(n+1)
	}
	w.all = append(w.all, p)
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.Route(ctx, p.m, w); err != nil {
		w.mu.Lock()
		p.lost = true
		w.mu.Unlock()
		if !w.fs.crashed() && !errors.Is(err, context.DeadlineExceeded) {
			w.t.Errorf("life %d: Route: %v", w.life, err)
		}
	}
}

// settle settles messages, and notes that, unless it comes after the crash.
func (w *world) settle(next *held, id string, n int, err error) {
	late := w.fs.crashed()
	ms := next.settle(id, n, err)
	if late {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range ms {
		w.all[m.Code].settled = true
	}
}

func (w *world) Spooled(ms []engine.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range ms {
		w.all[m.Tag].spooled = true
	}
}

func (w *world) Settled([]engine.Message, engine.Result, error) {}

// judge compares what was handed on in a life with what was promised.
func (w *world) judge(got []engine.Message, s *Spool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fail := func(format string, args ...any) {
		w.t.Errorf("life %d: "+format, append([]any{w.life}, args...)...)
	}
	latest := make(map[string]int64)
	for _, m := range got {
		p := w.all[m.Code]
		switch {
		case p.lost:
			fail("message %d of %q comes after all", m.Code, m.ID)
		case p.given == w.life:
			fail("message %d of %q was handed on twice", m.Code, m.ID)
		case !bytes.Equal(m.Data, p.m.Data) || m.ID != p.m.ID || m.Kind != p.m.Kind || m.Client != p.m.Client ||
			m.Tag != p.m.Tag || m.Op != p.m.Op || m.Remote != p.m.Remote || m.Sender != p.m.Sender:
			fail("message %d of %q is altered: %.100v", m.Code, m.ID, m)
		case p.m.Seq != 0 && p.m.Seq != m.Seq, m.Seq == 0 && m.Kind == engine.Report:
			fail("message %d of %q has number %d", m.Code, m.ID, m.Seq)
		}
		if before, ok := latest[m.ID]; ok && m.Code < before {
			fail("message %d of %q comes after %d", m.Code, m.ID, before)
		}
		latest[m.ID] = m.Code
		p.given, p.m.Seq = w.life, m.Seq
	}
	if s.Stats().Parked > 0 || w.fs.crashed() {
		return // not everything was handed on, and not all need have been
	}
	// Of each stream what was settled is missing first, and of what was accepted in
	// an earlier life and never spooled the last part.
	came := make(map[string]bool)
	gone := make(map[int]int64)
	for _, p := range w.all {
		if p.lost {
			continue
		}
		if p.given == w.life {
			came[p.m.ID] = true
			if first, ok := gone[p.life]; ok {
				fail("message %d of %q comes, and %d, accepted before it, is lost", p.m.Code, p.m.ID, first)
			}
			continue
		}
		switch {
		case p.settled && came[p.m.ID]:
			fail("message %d of %q, settled, is not handed on, and one before it is", p.m.Code, p.m.ID)
		case p.settled:
		case p.spooled:
			fail("message %d of %q was spooled and is lost", p.m.Code, p.m.ID)
		case p.life == w.life:
			fail("message %d of %q was accepted and not handed on", p.m.Code, p.m.ID)
		default:
			p.lost = true
			if _, ok := gone[p.life]; !ok {
				gone[p.life] = p.m.Code
			}
		}
	}
}

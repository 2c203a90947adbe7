package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// rows is a sink in memory that keeps the contract.
type rows struct {
	mu     sync.Mutex
	of     map[string][]engine.Message // by stream, in the order of storing
	keys   map[rowKey]engine.Message
	ends   map[string]int
	closed int
	fault  func(batches []engine.Batch) error
}

type rowKey struct {
	id, client string
	seq        int64
}

func newRows() *rows {
	return &rows{of: make(map[string][]engine.Message), keys: make(map[rowKey]engine.Message), ends: make(map[string]int)}
}

func (s *rows) Write(_ context.Context, batches []engine.Batch) ([]engine.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		if err := s.fault(batches); err != nil {
			return nil, err
		}
	}
	results := make([]engine.Result, len(batches))
	for i, b := range batches {
		for j, m := range b.Messages {
			k := rowKey{m.ID, m.Client, m.Seq}
			if old, ok := s.keys[k]; ok {
				if !bytes.Equal(old.Data, m.Data) {
					return nil, engine.Reject(i, j, engine.ErrConflict)
				}
				results[i].Duplicates++
				continue
			}
			m.Data = bytes.Clone(m.Data)
			s.keys[k] = m
			s.of[m.ID] = append(s.of[m.ID], m)
		}
		if b.End != "" {
			s.ends[b.ID]++
		}
		results[i].Rows = int64(len(s.of[b.ID]))
	}
	return results, nil
}

func (s *rows) Close() error {
	s.closed++
	return nil
}

// TestEngineBehind runs the spool with the engine: everything is told to be spooled,
// then settled, once and in order, and is stored.
func TestEngineBehind(t *testing.T) {
	store := newRows()
	o := engine.DefaultOptions()
	o.BatchWait = 20 * time.Millisecond
	e, err := engine.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Config{Dir: t.TempDir(), Max: 64 * engine.MiB, Numbers: e.Numbers(), Limits: Limits{MaxPending: o.MaxPending, MaxStreams: o.MaxStreams, DrainTimeout: 10 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, e) }()
	const senders, each = 4, 5000
	hear := make([]*listener, senders)
	var wait sync.WaitGroup
	for i := range senders {
		hear[i] = newListener()
		wait.Go(func() {
			for n := range each {
				m := engine.Message{ID: fmt.Sprintf("s%d-%d", i, n%7), Data: fmt.Appendf(nil, "%d", n)}
				if n%1000 == 999 {
					m.Kind, m.Data = engine.Done, nil
				}
				if err := hear[i].route(ctx, s, m); err != nil {
					t.Errorf("Route: %v", err)
				}
			}
		})
	}
	wait.Wait()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	for i := range senders {
		hear[i].check(t, true)
	}
	if n := len(store.keys); n != senders*(each-each/1000) {
		t.Errorf("%d rows are stored", n)
	}
	for id, list := range store.of {
		for i := 1; i < len(list); i++ {
			if list[i].Seq <= list[i-1].Seq {
				t.Fatalf("%s: number %d is stored after %d", id, list[i].Seq, list[i-1].Seq)
			}
		}
	}
	st := s.Stats()
	if st.Pending != 0 || st.Accepted != uint64(len(store.keys)) {
		t.Errorf("stats: %+v", st)
	}
}

// TestEngineStuck has a sink that cannot store one stream: all others are stored, and
// that one is in the next run, once and in order.
func TestEngineStuck(t *testing.T) {
	store, dir := newRows(), t.TempDir()
	stuck := true
	store.fault = func(batches []engine.Batch) error {
		for _, b := range batches {
			if stuck && b.ID == "stuck" {
				return errors.New("it is locked")
			}
		}
		return nil
	}
	const messages = 3000
	for run := range 2 {
		o := engine.DefaultOptions()
		o.MaxPending = 64 * engine.KiB
		o.BatchWait = 5 * time.Millisecond
		o.RetryMin, o.RetryMax = time.Millisecond, 5*time.Millisecond
		o.ShutdownTimeout = 10 * time.Millisecond
		e, err := engine.New(store, o)
		if err != nil {
			t.Fatal(err)
		}
		c := Config{Dir: dir, Max: 8 * engine.MiB, Numbers: e.Numbers(), Limits: Limits{MaxPending: o.MaxPending, MaxStreams: 10}}
		if run == 1 {
			stuck = false
			c.DrainTimeout = time.Minute
		}
		s, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx, e) }()
		l := newListener()
		for i := range messages * (1 - run) {
			for _, id := range []string{"stuck", "fine"} {
				if err := l.route(ctx, s, engine.Message{ID: id, Data: fmt.Append(nil, i)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for run == 0 && l.heard() < messages {
			runtime.Gosched()
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		l.check(t, true)
		if st := s.Stats(); st.Pending != int64(messages*(1-run)) || l.left() != messages*(1-run) {
			t.Errorf("run %d: %d messages are left: %+v", run, l.left(), st)
		}
	}
	for _, id := range []string{"stuck", "fine"} {
		for i, m := range store.of[id] {
			if string(m.Data) != fmt.Sprint(i) {
				t.Fatalf("row %d of %q is message %s", i, id, m.Data)
			}
		}
		if n := len(store.of[id]); n != messages {
			t.Errorf("%d messages of %q are stored", n, id)
		}
	}
}

// TestNobodyWaitsForLinger has a stream whose share is less than a batch: what the
// engine has of it is stored at once, for nothing can fill it.
func TestNobodyWaitsForLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRows()
		o := engine.DefaultOptions()
		o.MaxPending, o.BatchWait = 64*engine.KiB, time.Hour
		e, err := engine.New(store, o)
		if err != nil {
			t.Fatal(err)
		}
		c := config(newCrashFS())
		c.Numbers, c.Limits, c.DrainTimeout = e.Numbers(), Limits{MaxPending: o.MaxPending, MaxStreams: 10}, time.Minute
		s, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx, e) }()
		l := newListener()
		for range 100 {
			if err := l.route(ctx, s, engine.Message{ID: "a", Data: bytes.Repeat([]byte("1"), 3000)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := l.heard(); n < 95 {
			t.Errorf("%d messages are settled", n)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		l.check(t, true)
	})
}

// A listener is a producer that checks what it hears.
type listener struct {
	mu      sync.Mutex
	sent    map[int64]engine.Message // by tag
	spooled map[int64]bool
	settled map[int64]error
	lastSp  int64
	last    map[string]int64 // the last tag settled, by stream
	wrong   []string
	tag     int64
}

func newListener() *listener {
	return &listener{sent: map[int64]engine.Message{}, spooled: map[int64]bool{}, settled: map[int64]error{}, last: map[string]int64{}}
}

// route routes m with a tag of its own. Only one goroutine may call it.
func (l *listener) route(ctx context.Context, r engine.Router, m engine.Message) error {
	l.mu.Lock()
	l.tag++
	m.Tag = l.tag
	l.sent[m.Tag] = m
	l.mu.Unlock()
	err := r.Route(ctx, m, l)
	if err != nil {
		l.mu.Lock()
		delete(l.sent, m.Tag)
		l.mu.Unlock()
	}
	return err
}

func (l *listener) fault(format string, args ...any) {
	if len(l.wrong) < 10 {
		l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
	}
}

func (l *listener) Spooled(ms []engine.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range ms {
		sent := l.sent[m.Tag]
		switch {
		case m.ID != sent.ID || m.Client != sent.Client || m.Kind != sent.Kind:
			l.fault("Spooled(%+v) of %+v", m, sent)
		case l.spooled[m.Tag]:
			l.fault("%d was spooled twice", m.Tag)
		case m.Tag <= l.lastSp:
			l.fault("%d was spooled after %d", m.Tag, l.lastSp)
		}
		if _, ok := l.settled[m.Tag]; ok {
			l.fault("%d was spooled after it was settled", m.Tag)
		}
		l.spooled[m.Tag], l.lastSp = true, m.Tag
	}
}

func (l *listener) Settled(ms []engine.Message, _ engine.Result, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range ms {
		sent, ok := l.sent[m.Tag]
		_, again := l.settled[m.Tag]
		switch {
		case !ok || m.ID != sent.ID || m.Client != sent.Client || m.Kind != sent.Kind || m.Code != sent.Code:
			l.fault("Settled(%+v) of %+v", m, sent)
		case again:
			l.fault("%d was settled twice", m.Tag)
		case m.Tag < l.last[m.ID]:
			l.fault("%d of %q was settled after %d", m.Tag, m.ID, l.last[m.ID])
		}
		l.settled[m.Tag] = err
		l.last[m.ID] = m.Tag
	}
}

// check is what must hold at the end: all that was accepted is settled, and was
// spooled before, unless that could not be.
func (l *listener) check(t testing.TB, spooled bool) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.wrong {
		t.Error(w)
	}
	if len(l.settled) != len(l.sent) {
		t.Errorf("%d messages were accepted, %d settled", len(l.sent), len(l.settled))
	}
	if spooled && len(l.spooled) != len(l.sent) {
		t.Errorf("%d messages were accepted, %d spooled", len(l.sent), len(l.spooled))
	}
}

// left counts what was not stored.
func (l *listener) left() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, err := range l.settled {
		if errors.Is(err, engine.ErrUndelivered) {
			n++
		}
	}
	return n
}

// told counts what was told to be spooled, and heard what was settled.
func (l *listener) told() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.spooled)
}

func (l *listener) heard() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.settled)
}

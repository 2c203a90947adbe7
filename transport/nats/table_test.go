package nats

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/natstest"
)

// table is what several writers write, as a database has it: a key is kept once.
type table struct {
	mu         sync.Mutex
	last       map[string]int64 // by id
	rows       int
	duplicates int
	keys       map[string]bool
	ends       map[string]engine.EndReason
	faults     []string
}

func newTable() *table {
	return &table{last: make(map[string]int64), keys: make(map[string]bool), ends: make(map[string]engine.EndReason)}
}

func (t *table) add(batches []engine.Batch) []engine.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	results := make([]engine.Result, len(batches))
	for i, b := range batches {
		for _, m := range b.Messages {
			key := fmt.Sprint(m.ID, "/", m.Seq, "/", m.Client)
			if t.keys[key] {
				t.duplicates++
				results[i].Duplicates++
				continue
			}
			t.keys[key] = true
			t.rows++
			if m.Seq != t.last[m.ID]+1 {
				t.faults = append(t.faults, fmt.Sprintf("%s: %d comes after %d", m.ID, m.Seq, t.last[m.ID]))
			}
			t.last[m.ID] = m.Seq
		}
		if b.End != "" {
			t.ends[b.ID] = b.End
		}
	}
	return results
}

func (t *table) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rows
}

// wait waits until there are so many rows.
func (t *table) wait(tb testing.TB, rows int) {
	tb.Helper()
	natstest.Eventually(tb, fmt.Sprint(rows, " rows"), func() bool { return t.count() >= rows })
}

// right tells whether each id has so many rows, in order.
func (t *table) right(tb testing.TB, ids, each int) {
	tb.Helper()
	t.wait(tb, ids*each)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows != ids*each || len(t.faults) > 0 {
		tb.Errorf("%d rows, not %d; out of order: %q", t.rows, ids*each, t.faults)
	}
	for id, last := range t.last {
		if last != int64(each) {
			tb.Errorf("%s ends with %d", id, last)
		}
	}
}

// tableSink is the sink of one writer.
type tableSink struct {
	table *table

	mu   sync.Mutex
	hung chan struct{} // not nil: a Write waits until it is closed, and then writes, whatever its context says
}

func (s *tableSink) Write(_ context.Context, batches []engine.Batch) ([]engine.Result, error) {
	s.mu.Lock()
	hung := s.hung
	s.mu.Unlock()
	if hung != nil {
		<-hung
	}
	return s.table.add(batches), nil
}

func (s *tableSink) Close() error { return nil }

// hang makes the sink hang, until the function that it returns is called.
func (s *tableSink) hang() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hung = make(chan struct{})
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.hung)
		s.hung = nil
	})
}

// writer is an engine and its Reader.
type writer struct {
	*Reader
	sink *tableSink
	end  func() // drains both and waits
}

func write(t testing.TB, table *table, pace pace, c Config, options ...func(*engine.Options)) *writer {
	t.Helper()
	sink := &tableSink{table: table}
	o := engine.DefaultOptions()
	o.BatchWait, o.RetryMin, o.RetryMax, o.Writers = 20*time.Millisecond, time.Millisecond, 20*time.Millisecond, 2
	for _, option := range options {
		option(&o)
	}
	e, err := engine.New(sink, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	r := serve(t, e, pace, c)
	w := &writer{Reader: r.Reader, sink: sink}
	w.end = sync.OnceFunc(func() {
		stop()
		r.end(t)
		if err := <-ran; err != nil {
			t.Errorf("the engine: %v", err)
		}
	})
	t.Cleanup(w.end)
	return w
}

// owns waits until each writer owns so many partitions.
func owns(t testing.TB, counts map[*writer]int) {
	t.Helper()
	natstest.Eventually(t, "each has its share", func() bool {
		for w, n := range counts {
			if w.Stats().Owned != n {
				return false
			}
		}
		return true
	})
}

// load publishes each messages of so many ids, a carrier each, in turns, until it is
// done. It goes on from the messages before.
type load struct {
	ids, each int
	done      chan struct{}
}

func (p *publisher) load(ids, from, each int) *load {
	l := &load{ids, each, make(chan struct{})}
	go func() {
		defer close(l.done)
		for seq := from + 1; seq <= each && p.t.Context().Err() == nil; seq++ {
			for id := range ids {
				p.send(fmt.Sprint("id-", id), int64(seq))
			}
		}
	}()
	p.t.Cleanup(func() { <-l.done })
	return l
}

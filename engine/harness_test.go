package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// store is a sink in memory that keeps the contract, and watches that the engine
// keeps its own side. Before each Write it asks fault, if there is one.
type store struct {
	mu      sync.Mutex
	rows    map[string][]engine.Message // by stream, in the order of storing
	keys    map[key]engine.Message
	ended   map[string]engine.EndReason
	writing map[string]bool // streams that are being written
	writes  [][]int         // the sizes of the batches of each Write
	broken  []string        // what the engine did wrong
	closed  int
	doubled int // what was stored already, by Writes that succeeded

	// fault decides about a Write before it happens: how many of its messages are
	// stored nevertheless, and the error, if any.
	fault func(ctx context.Context, batches []engine.Batch) (store int, err error)
}

type key struct {
	id, client string
	seq        int64
}

func newStore() *store {
	return &store{
		rows:    make(map[string][]engine.Message),
		keys:    make(map[key]engine.Message),
		ended:   make(map[string]engine.EndReason),
		writing: make(map[string]bool),
	}
}

func (s *store) Write(ctx context.Context, batches []engine.Batch) ([]engine.Result, error) {
	s.begin(batches)
	defer s.end(batches)
	limit := -1
	var failure error
	if s.fault != nil {
		limit, failure = s.fault(ctx, batches)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if failure == nil {
		for i, b := range batches {
			for j, m := range b.Messages {
				if old, ok := s.keys[key{m.ID, m.Client, m.Seq}]; ok && !same(old, m) {
					return nil, engine.Reject(i, j, engine.ErrConflict)
				}
			}
		}
	}
	results := make([]engine.Result, len(batches))
	for i, b := range batches {
		for j, m := range b.Messages {
			if failure != nil && limit == 0 {
				return nil, failure
			}
			limit--
			k := key{m.ID, m.Client, m.Seq}
			if old, ok := s.keys[k]; ok {
				if failure == nil && !same(old, m) { // with one of the same Write
					return nil, engine.Reject(i, j, engine.ErrConflict)
				}
				results[i].Duplicates++
				continue
			}
			m.Data = bytes.Clone(m.Data)
			s.keys[k] = m
			s.rows[m.ID] = append(s.rows[m.ID], m)
			s.ended[m.ID] = ""
		}
		if failure != nil {
			continue // part of it was stored
		}
		if b.End != "" {
			s.ended[b.ID] = b.End
		}
		results[i].Rows = int64(len(s.rows[b.ID]))
		for _, m := range s.rows[b.ID] {
			if b.Resume != "" && m.Client == b.Resume && m.Seq < engine.FirstOwnSeq {
				results[i].LastSeq = max(results[i].LastSeq, m.Seq)
			}
		}
	}
	if failure != nil {
		return nil, failure
	}
	for _, r := range results {
		s.doubled += r.Duplicates
	}
	return results, nil
}

func same(a, b engine.Message) bool {
	return a.Op == b.Op && a.Code == b.Code && bytes.Equal(a.Data, b.Data)
}

// begin checks what a sink may rely on.
func (s *store) begin(batches []engine.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sizes []int
	last := ""
	for _, b := range batches {
		sizes = append(sizes, len(b.Messages))
		if b.ID < last {
			s.broken = append(s.broken, fmt.Sprintf("streams not sorted: %q after %q", b.ID, last))
		}
		if b.ID != last && s.writing[b.ID] {
			s.broken = append(s.broken, fmt.Sprintf("two writes of %q at a time", b.ID))
		}
		s.writing[b.ID] = true
		last = b.ID
		if len(b.Messages) == 0 && b.End == "" && b.Resume == "" {
			s.broken = append(s.broken, "an empty batch")
		}
		for _, m := range b.Messages {
			if m.Kind != engine.Report || m.ID != b.ID || m.Seq == 0 {
				s.broken = append(s.broken, fmt.Sprintf("strange message in a batch: %+v", m))
			}
		}
	}
	s.writes = append(s.writes, sizes)
}

func (s *store) end(batches []engine.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range batches {
		delete(s.writing, b.ID)
	}
}

func (s *store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
	return nil
}

// endOf tells how the stream ended; "" while it has not.
func (s *store) endOf(id string) engine.EndReason {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended[id]
}

// stored gives the data of a stream's rows.
func (s *store) stored(id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var data []string
	for _, m := range s.rows[id] {
		data = append(data, string(m.Data))
	}
	return data
}

func (s *store) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rows := range s.rows {
		n += len(rows)
	}
	return n
}

// outcome is what a producer heard of one message.
type outcome struct {
	engine.Message
	result engine.Result
	err    error
	held   bool // its lease, when it was heard
}

// producer remembers what it hears.
type producer struct {
	mu       sync.Mutex
	outcomes []outcome
}

func (p *producer) Spooled([]engine.Message) {}

func (p *producer) Settled(ms []engine.Message, r engine.Result, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range ms {
		m.Data = bytes.Clone(m.Data)
		p.outcomes = append(p.outcomes, outcome{m, r, err, m.Lease.Held()})
	}
}

func (p *producer) heard() []outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]outcome(nil), p.outcomes...)
}

// sequence is what must keep its order: what one sender, who is one goroutine,
// routes to one stream.
type sequence struct{ id, sender string }

// reporter is what *testing.T and *rapid.T have in common.
type reporter interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
}

// running is an engine under test, with a store and a producer. When the test
// ends it is drained, and what must always hold is checked.
type running struct {
	*engine.Engine
	t      reporter
	store  *store
	stop   context.CancelFunc
	result chan error

	mu       sync.Mutex
	accepted []engine.Message // in the order in which Route was called
	*producer
}

// start runs an engine with default options, as changed by edit.
func start(t reporter, s *store, edit func(*engine.Options)) *running {
	t.Helper()
	o := engine.DefaultOptions()
	if edit != nil {
		edit(&o)
	}
	e, err := engine.New(s, o)
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Engine: e, t: t, store: s, stop: stop, result: make(chan error, 1), producer: &producer{}}
	go func() { r.result <- e.Run(ctx) }()
	return r
}

// send routes a report and remembers that it was accepted.
func (r *running) send(id, data string) {
	r.t.Helper()
	r.route(engine.Message{ID: id, Data: []byte(data)})
}

func (r *running) route(m engine.Message) {
	r.t.Helper()
	if err := r.try(context.Background(), m); err != nil {
		r.t.Errorf("Route(%v %q): %v", m.Kind, m.ID, err)
	}
}

func (r *running) try(ctx context.Context, m engine.Message) error {
	m.Tag = r.remember(m)
	if err := r.Route(ctx, m, r.producer); err != nil {
		r.mu.Lock()
		r.accepted[m.Tag].ID = "" // was not accepted
		r.mu.Unlock()
		return err
	}
	return nil
}

func (r *running) remember(m engine.Message) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.Data = bytes.Clone(m.Data)
	r.accepted = append(r.accepted, m)
	return int64(len(r.accepted) - 1)
}

// drain ends the engine and checks what always holds: every accepted message was
// settled once, in the order of its stream, and is stored if it was said to be;
// the counters add up; no lane is left. It returns Run's error.
func (r *running) drain() error {
	r.t.Helper()
	r.stop()
	err := <-r.result
	r.check()
	return err
}

// end is drain for a test in which nothing may go wrong.
func (r *running) end() {
	r.t.Helper()
	if err := r.drain(); err != nil {
		r.t.Errorf("Run: %v", err)
	}
	if r.store.closed != 1 {
		r.t.Errorf("the sink was closed %d times", r.store.closed)
	}
}

func (r *running) check() {
	r.t.Helper()
	settled := make(map[int64]outcome)
	lastTag := make(map[sequence]int64)
	var reports, stored, refused, undelivered, fenced uint64
	for _, o := range r.heard() {
		if _, again := settled[o.Tag]; again {
			r.t.Errorf("message %d of %q was settled twice", o.Tag, o.ID)
		}
		settled[o.Tag] = o
		from := sequence{o.ID, o.Sender}
		if last, ok := lastTag[from]; ok && o.Tag < last {
			r.t.Errorf("%q: message %d was settled after %d", o.ID, o.Tag, last)
		}
		lastTag[from] = o.Tag
		if errors.Is(o.err, engine.ErrFenced) && o.held {
			r.t.Errorf("message %d of %q was fenced, and its lease is held", o.Tag, o.ID)
		}
		if o.Kind != engine.Report {
			continue
		}
		reports++
		switch {
		case o.err == nil:
			stored++
			m, ok := r.store.keys[key{o.ID, o.Client, o.Seq}]
			if !ok || !same(m, o.Message) {
				r.t.Errorf("message %d of %q was said to be stored and is not", o.Tag, o.ID)
			}
		case errors.Is(o.err, engine.ErrUndelivered):
			undelivered++
		case errors.Is(o.err, engine.ErrFenced):
			fenced++
		case engine.IsPermanent(o.err):
			refused++
		default:
			r.t.Errorf("message %d of %q: settled with %v", o.Tag, o.ID, o.err)
		}
	}
	for tag, m := range r.accepted {
		if _, ok := settled[int64(tag)]; !ok && m.ID != "" {
			r.t.Errorf("message %d of %q was accepted and never settled", tag, m.ID)
		}
	}
	lastRow := make(map[sequence]int64)
	for id, rows := range r.store.rows {
		lastSeq := int64(0)
		for _, m := range rows {
			from := sequence{id, m.Sender}
			if m.Tag < lastRow[from] {
				r.t.Errorf("%q: row %d is stored after row %d", id, m.Tag, lastRow[from])
			}
			lastRow[from] = m.Tag
			if m.Seq >= engine.FirstOwnSeq {
				if m.Seq <= lastSeq {
					r.t.Errorf("%q: number %d is stored after %d", id, m.Seq, lastSeq)
				}
				lastSeq = m.Seq
			}
		}
	}
	for _, b := range r.store.broken {
		r.t.Error(b)
	}
	s := r.Stats()
	if s.Accepted != reports || s.Stored+s.Duplicates != stored || s.Refused != refused ||
		s.Undelivered != undelivered || s.Fenced != fenced || s.Pending != 0 || s.PendingBytes != 0 {
		r.t.Errorf("counters %+v, but heard of %d: %d stored, %d refused, %d undelivered, %d fenced",
			s, reports, stored, refused, undelivered, fenced)
	}
	if s.Duplicates != uint64(r.store.doubled) {
		r.t.Errorf("%d duplicates were counted, not %d", s.Duplicates, r.store.doubled)
	}
	if s.Streams != 0 {
		r.t.Errorf("%d lanes are left", s.Streams)
	}
}

// eventually fails the test if what is not so within a long time. It is for tests
// in real time; those in virtual time use synctest.Wait.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

package nats_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	sink "github.com/ingestd/ingestd/sink/nats"
)

// load is an engine in front of a sink, and what it is given: messages numbered
// from 1, of some streams in turn, each of which ends with a done.
type load struct {
	t       *testing.T
	streams int
	each    int // messages of a stream

	mu      sync.Mutex
	settled int
	moved   chan struct{} // closed when settled moves
	engine  *engine.Engine
	ended   chan error
}

func (l *load) Spooled([]engine.Message) {}

func (l *load) Settled(ms []engine.Message, _ engine.Result, err error) {
	if err != nil {
		l.t.Errorf("%d messages of %s: %v", len(ms), ms[0].ID, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled += len(ms)
	close(l.moved)
	l.moved = make(chan struct{})
}

// at waits until so many messages are settled.
func (l *load) at(n int) {
	for {
		l.mu.Lock()
		settled, moved := l.settled, l.moved
		l.mu.Unlock()
		if settled >= n {
			return
		}
		<-moved
	}
}

// start begins to route.
func start(t *testing.T, s *sink.Sink, streams, each int) *load {
	t.Helper()
	o := engine.DefaultOptions()
	o.BatchWait, o.RetryMin, o.RetryMax = 5*time.Millisecond, 5*time.Millisecond, 50*time.Millisecond
	o.Writers, o.GroupSize, o.MaxPending, o.ShutdownTimeout = 2, 300, engine.MiB, time.Minute
	e, err := engine.New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	l := &load{t: t, streams: streams, each: each, moved: make(chan struct{}), engine: e, ended: make(chan error, 1)}
	ctx, stop := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { l.ended <- e.Run(ctx) })
	t.Cleanup(func() { stop(); run.Wait() })
	run.Go(func() {
		defer stop() // Run stores what is left
		for n := range l.total() {
			m := engine.Message{ID: fmt.Sprintf("stream-%d", n%streams), Seq: int64(n/streams + 1), Client: "c", Op: "report", Data: []byte(`1`)}
			if m.Seq > int64(each) {
				m.Kind = engine.Done
			}
			if err := e.Route(ctx, m, l); err != nil {
				t.Error(err)
				return
			}
		}
		l.at(l.total())
	})
	return l
}

func (l *load) total() int { return l.streams * (l.each + 1) }

// done waits until all is stored, and the engine has closed the sink.
func (l *load) done() {
	l.t.Helper()
	if err := <-l.ended; err != nil {
		l.t.Error(err)
	}
	if l.settled != l.total() {
		l.t.Fatalf("%d of %d are settled", l.settled, l.total())
	}
}

// check reads the log as a reader does: each message must be there, those of a
// stream in order, each before those that come after it are there for the first
// time, and the end after them.
func (l *load) check(js jetstream.JetStream) *logged {
	l.t.Helper()
	log, err := readLog(l.t.Context(), js, "ingest")
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Logf("%d carriers, %d of them stale, %d messages in the others, for %d",
		log.carriers, log.stale, len(log.messages), l.total())
	next := make(map[string]int64)
	ended := make(map[string]bool)
	for _, m := range log.messages {
		switch {
		case m.Kind == engine.Done:
			ended[m.ID] = true
			if next[m.ID] != int64(l.each) {
				l.t.Errorf("%s ends after %d messages", m.ID, next[m.ID])
			}
		case m.Seq == next[m.ID]+1:
			next[m.ID]++
		case m.Seq > next[m.ID]:
			l.t.Errorf("%s: %d comes after %d", m.ID, m.Seq, next[m.ID])
		}
	}
	if len(ended) != l.streams {
		l.t.Errorf("%d streams of %d have ended", len(ended), l.streams)
	}
	return log
}

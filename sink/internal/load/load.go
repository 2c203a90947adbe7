// Package load drives a sink through a real engine, for tests, and keeps account
// of what became of each message.
package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Received is when the messages of the tests were received.
var Received = time.Date(2024, 5, 7, 3, 33, 20, 0, time.UTC)

// Message is the message seq of a stream, as a named client would send it.
func Message(id string, seq int) engine.Message {
	return engine.Message{
		ID: id, Seq: int64(seq), Client: "phone-7", Op: "report", Time: Received, Received: Received,
		Remote: "192.0.2.7:5123", Data: fmt.Appendf(nil, `{"n":%d}`, seq),
	}
}

// Options are those of an engine whose faults pass soon.
func Options() engine.Options {
	o := engine.DefaultOptions()
	o.BatchWait = 5 * time.Millisecond
	o.RetryMin, o.RetryMax = time.Millisecond, 50*time.Millisecond
	o.ShutdownTimeout = time.Minute
	return o
}

// Key names a message.
type Key struct {
	ID  string
	Seq int64
}

// Engine is a running engine, and the producer and the dead letters of all that is
// sent to it.
type Engine struct {
	*engine.Engine
	tb    testing.TB
	stop  context.CancelFunc
	ended chan error

	mu       sync.Mutex
	settled  *sync.Cond
	sent     int
	stored   int
	refused  map[Key]error
	last     map[string]int64 // the last number that was settled
	letters  map[Key]engine.DeadLetter
	failed   []error // what the sink's Write returned, but for what names messages
	complain bool    // something was wrong, and told
}

// Run starts an engine that writes to s, and ends it when the test does.
func Run(tb testing.TB, s engine.Sink, o engine.Options) *Engine {
	tb.Helper()
	l := &Engine{
		tb: tb, ended: make(chan error, 1),
		refused: make(map[Key]error), last: make(map[string]int64), letters: make(map[Key]engine.DeadLetter),
	}
	l.settled = sync.NewCond(&l.mu)
	o.DeadLetters = l
	e, err := engine.New(watched{s, l}, o)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	l.Engine, l.stop = e, stop
	go func() { l.ended <- e.Run(ctx) }()
	tb.Cleanup(func() { l.Close() })
	return l
}

// Send routes ms, each of which must be accepted.
func (l *Engine) Send(ms ...engine.Message) {
	l.mu.Lock()
	l.sent += len(ms)
	l.mu.Unlock()
	for _, m := range ms {
		if err := l.Route(context.Background(), m, l); err != nil {
			l.tb.Errorf("Route: %v", err)
		}
	}
}

// Spooled implements engine.Producer.
func (l *Engine) Spooled([]engine.Message) {}

// Settled implements engine.Producer.
func (l *Engine) Settled(ms []engine.Message, _ engine.Result, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range ms {
		k := Key{ms[i].ID, ms[i].Seq}
		if ms[i].Kind == engine.Report {
			if k.Seq <= l.last[k.ID] {
				l.wrong("%v was settled after %d", k, l.last[k.ID])
			}
			l.last[k.ID] = k.Seq
		}
		switch _, kept := l.letters[k]; {
		case err == nil:
			l.stored++
		case !engine.IsPermanent(err):
			l.wrong("%v: %v", k, err)
		case !kept:
			l.wrong("%v was refused, and is no dead letter", k)
			fallthrough
		default:
			l.refused[k] = err
		}
	}
	l.settled.Broadcast()
}

// wrong tells the first thing that is wrong: the others follow from it, mostly.
func (l *Engine) wrong(format string, args ...any) {
	if !l.complain {
		l.tb.Errorf(format, args...)
	}
	l.complain = true
}

// Keep implements engine.DeadLetters.
func (l *Engine) Keep(_ context.Context, letters []engine.DeadLetter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, letter := range letters {
		k := Key{letter.Message.ID, letter.Message.Seq}
		if _, ok := l.letters[k]; ok {
			l.wrong("%v became a dead letter twice", k)
		}
		letter.Message.Data = append([]byte(nil), letter.Message.Data...)
		l.letters[k] = letter
	}
	return nil
}

// Wait waits until at least n messages are settled; 0: all that was sent. A test
// that waits for what does not happen ends with the time limit of all.
func (l *Engine) Wait(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.stored+len(l.refused) < n || n == 0 && l.stored+len(l.refused) < l.sent {
		l.settled.Wait()
	}
}

// Fail waits until the sink has failed another n times, and gives these errors.
// Those that refuse a message are not among them.
func (l *Engine) Fail(n int) []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.failed)
	for len(l.failed) < before+n {
		l.settled.Wait()
	}
	return l.failed[before:]
}

// watched is the sink, as the engine sees it.
type watched struct {
	engine.Sink
	by *Engine
}

// Write implements engine.Sink.
func (w watched) Write(ctx context.Context, batches []engine.Batch) ([]engine.Result, error) {
	results, err := w.Sink.Write(ctx, batches)
	if err != nil && (!engine.IsPermanent(err) || engine.IsBlocked(err)) {
		w.by.mu.Lock()
		w.by.failed = append(w.by.failed, err)
		w.by.settled.Broadcast()
		w.by.mu.Unlock()
	}
	return results, err
}

// Stored is how many messages are settled as stored.
func (l *Engine) Stored() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stored
}

// Letters are the dead letters so far.
func (l *Engine) Letters() map[Key]engine.DeadLetter {
	l.mu.Lock()
	defer l.mu.Unlock()
	letters := make(map[Key]engine.DeadLetter, len(l.letters))
	for k, letter := range l.letters {
		letters[k] = letter
	}
	return letters
}

// Close drains the engine, which closes the sink.
func (l *Engine) Close() {
	l.stop()
	if err, ok := <-l.ended; ok {
		close(l.ended)
		if err != nil && !errors.Is(err, context.Canceled) {
			l.tb.Errorf("Run: %v", err)
		}
	}
}

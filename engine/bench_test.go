package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// discard stores nothing and says that it did.
type discard struct{}

func (discard) Write(context.Context, []engine.Batch) ([]engine.Result, error) { return nil, nil }
func (discard) Close() error                                                   { return nil }

// senders is how many goroutines route at once: as many as the load that all
// figures of ours are about has connections.
const senders = 64

// BenchmarkRoute is the way of a message from Route to Settled, through a sink that
// stores nothing: per operation one message, sent by one of 64 goroutines that mix
// the streams. They are faster than the lanes, so the room is full all the time, as
// it is before a sink that does not keep up; it is small, so that it is soon full.
func BenchmarkRoute(b *testing.B) {
	for _, streams := range []int{1, 64, 1000, 100_000} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			o := engine.DefaultOptions()
			o.MaxPending = 16 * engine.MiB
			l := newLoad(b, discard{}, o, streams)
			l.send(10 * max(streams, senders)) // the lanes are made before the clock starts
			l.flush()
			l.measure(b.N)
			l.end()
		})
	}
}

// BenchmarkSparse is the way of a message that is alone in its stream: a lane is
// made for it, its linger is awaited, a goroutine delivers it, and it is idle until
// the end. Per operation one message and one stream.
func BenchmarkSparse(b *testing.B) {
	o := engine.DefaultOptions()
	o.BatchWait = 50 * time.Millisecond
	l := newLoad(b, discard{}, o, b.N)
	l.measure(b.N)
	l.end()
}

// load is what a benchmark routes.
type load struct {
	b       *testing.B
	engine  *engine.Engine
	options engine.Options
	stop    context.CancelFunc
	ended   chan error
	ids     []string
	pending pending
}

// pending is a producer that knows how many of its messages are not settled.
type pending struct{ sync.WaitGroup }

func (*pending) Spooled([]engine.Message) {}
func (p *pending) Settled(ms []engine.Message, _ engine.Result, _ error) {
	p.Add(-len(ms))
}

func newLoad(b *testing.B, sink engine.Sink, o engine.Options, streams int) *load {
	b.Helper()
	e, err := engine.New(sink, o)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &load{b: b, engine: e, options: o, stop: stop, ended: make(chan error)}
	go func() { l.ended <- e.Run(ctx) }()
	l.ids = make([]string, streams)
	for i := range l.ids {
		l.ids[i] = fmt.Sprintf("device-%07d", i)
	}
	return l
}

// send routes n messages of 150 bytes to all streams in turn.
func (l *load) send(n int) {
	data := bytes.Repeat([]byte{'1'}, 150)
	l.pending.Add(n)
	var wg sync.WaitGroup
	for k := range senders {
		wg.Go(func() {
			m := engine.Message{Op: "report", Data: data, Received: time.Now().UTC()}
			m.Time = m.Received
			for i := k; i < n; i += senders {
				m.ID = l.ids[i%len(l.ids)]
				if err := l.engine.Route(context.Background(), m, &l.pending); err != nil {
					l.b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// measure routes n messages and waits until they are settled. Beside the time it
// reports the processor time of the process, in microseconds a message.
func (l *load) measure(n int) {
	l.b.ReportAllocs()
	before := processorTime(l.b)
	l.b.ResetTimer()
	l.send(n)
	l.flush()
	l.b.StopTimer()
	used := processorTime(l.b) - before
	l.b.ReportMetric(float64(used.Nanoseconds())/1000/float64(n), "cpu-µs/op")
}

// flush waits until all is settled, without waiting for lingers.
func (l *load) flush() {
	options := l.options
	options.BatchWait = time.Millisecond
	l.update(options)
	l.pending.Wait()
	l.update(l.options)
}

func (l *load) update(o engine.Options) {
	if err := l.engine.Update(o); err != nil {
		l.b.Error(err)
	}
}

func (l *load) end() {
	l.stop()
	if err := <-l.ended; err != nil {
		l.b.Error(err)
	}
}

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBusiest is one look at so many live streams, of which each got a message
// since the last.
func BenchmarkBusiest(b *testing.B) {
	const streams = 100_000
	l := newLoad(b, discard{}, engine.DefaultOptions(), streams)
	l.send(streams)
	b.ResetTimer()
	for range b.N {
		l.engine.Busiest(20)
		b.StopTimer()
		l.send(streams)
		b.StartTimer()
	}
	b.StopTimer()
	l.end()
}

package spool

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// sinkhole settles everything at once, a hundred messages of a stream at a time.
type sinkhole struct {
	queues map[string]*queue
	n      atomic.Int64
}

type queue struct {
	ms []engine.Message
	p  engine.Producer
}

func (h *sinkhole) Route(_ context.Context, m engine.Message, p engine.Producer) error {
	q := h.queues[m.ID]
	if q == nil {
		q = &queue{}
		h.queues[m.ID] = q
	}
	if q.p != p {
		h.flush(q)
		q.p = p
	}
	q.ms = append(q.ms, m)
	if len(q.ms) == 10 {
		h.flush(q)
	}
	return nil
}

func (h *sinkhole) flush(q *queue) {
	if len(q.ms) > 0 {
		q.p.Settled(q.ms, engine.Result{}, nil)
		h.n.Add(int64(len(q.ms)))
		q.ms = q.ms[:0]
	}
}

func (h *sinkhole) Run(ctx context.Context) error {
	<-ctx.Done()
	for _, q := range h.queues {
		h.flush(q)
	}
	return nil
}

// counter is a producer that counts, and notes for some messages how long after their
// Tag they are spooled.
type counter struct {
	spooled, settled atomic.Int64
	took             []time.Duration
}

const sampled = 64 // one of so many

func (c *counter) Spooled(ms []engine.Message) {
	now := time.Now()
	for i := range ms {
		if ms[i].Tag > 0 {
			c.took = append(c.took, now.Sub(time.Unix(0, ms[i].Tag)))
		}
	}
	c.spooled.Add(int64(len(ms)))
}

func (c *counter) Settled(ms []engine.Message, _ engine.Result, _ error) {
	c.settled.Add(int64(len(ms)))
}

// messages makes messages of 200 bytes of a thousand streams, as sender number k
// sends them.
type messages struct {
	m   engine.Message
	ids []string
	n   int
}

func newMessages(k int) *messages {
	now := time.Now().UTC()
	s := &messages{m: engine.Message{
		Client: fmt.Sprint("client", k), Op: "report", Time: now, Received: now,
		Remote: fmt.Sprint("127.0.0.1:", 10_000+k), Data: bytes.Repeat([]byte{'x'}, 200),
	}}
	for i := k; i < 1000; i += 64 {
		s.ids = append(s.ids, fmt.Sprint("stream", i))
	}
	return s
}

func (s *messages) next() engine.Message {
	s.n++
	s.m.ID, s.m.Seq, s.m.Tag = s.ids[s.n%len(s.ids)], int64(s.n), 0
	if s.n%sampled == 0 {
		s.m.Tag = time.Now().UnixNano()
	}
	return s.m
}

func benchmarkConfig(b *testing.B) Config {
	return Config{
		Dir: b.TempDir(), Max: 10 * engine.GiB, Numbers: numbers(),
		Limits: Limits{MaxPending: 256 * engine.MiB, MaxStreams: 100_000, DrainTimeout: time.Hour},
	}
}

// BenchmarkSpool takes messages of 200 bytes through the spool: accepted, synced,
// told, handed on, settled. cpu-ns is the time of all processors for a message, and
// the others are how long it takes from Route to Spooled.
func BenchmarkSpool(b *testing.B) {
	for _, senders := range []int{1, 64} {
		b.Run(fmt.Sprint("senders=", senders), func(b *testing.B) {
			hole := &sinkhole{queues: map[string]*queue{}}
			s, err := Open(benchmarkConfig(b))
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx, hole) }()
			c := make([]counter, senders)
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu()
			send(b, s, c, b.N)
			stop()
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(b.N)/float64(s.Stats().Syncs), "messages/sync")
			report(b, c)
			for i := range c {
				if n := c[i].settled.Load(); c[i].spooled.Load() != n || n < int64(b.N/senders) {
					b.Errorf("of %d messages %d were spooled and %d settled", b.N/senders, c[i].spooled.Load(), n)
				}
			}
		})
	}
}

// send routes n messages from as many senders as there are counters.
func send(b *testing.B, s *Spool, c []counter, n int) {
	var wg sync.WaitGroup
	for k := range c {
		wg.Go(func() {
			from := newMessages(k)
			for range (n + len(c) - 1) / len(c) {
				if err := s.Route(context.Background(), from.next(), &c[k]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// report tells how long it took until messages were spooled.
func report(b *testing.B, c []counter) {
	var took []time.Duration
	for i := range c {
		took = append(took, c[i].took...)
	}
	if slices.Sort(took); len(took) > 0 {
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	}
}

// BenchmarkAppend is Route alone: a message gets its number, its place, and is encoded.
// The buffer is emptied as if it were written.
func BenchmarkAppend(b *testing.B) {
	for _, senders := range []int{1, 64} {
		b.Run(fmt.Sprint("senders=", senders), func(b *testing.B) {
			s, err := Open(benchmarkConfig(b))
			if err != nil {
				b.Fatal(err)
			}
			close(s.started)
			var emptying sync.WaitGroup
			emptying.Go(func() {
				for spare := (&buffer{}); spare != nil; {
					if spare = s.takePending(spare); spare != nil {
						spare.reset()
					}
				}
			})
			c := make([]counter, senders)
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu()
			send(b, s, c, b.N)
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
			b.StopTimer()
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			emptying.Wait()
		})
	}
}

// fill makes a spool of n messages that are not settled.
func fill(b *testing.B, c Config, n int) (bytes int64) {
	s, err := Open(c)
	if err != nil {
		b.Fatal(err)
	}
	s.Update(Limits{MaxPending: 64 * engine.KiB, MaxStreams: 1}) // so nearly nothing is handed on
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, newHeld()) }()
	send(b, s, make([]counter, 64), n)
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return s.Stats().Bytes
}

// BenchmarkFeed hands on what a spool holds that is opened: it is read, decoded,
// routed, and noted to be settled.
func BenchmarkFeed(b *testing.B) {
	c := benchmarkConfig(b)
	fill(b, c, b.N)
	s, err := Open(c)
	if err != nil {
		b.Fatal(err)
	}
	hole := &sinkhole{queues: map[string]*queue{}}
	ctx, stop := context.WithCancel(context.Background())
	stop() // it drains from the start
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	if err := s.Run(ctx, hole); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
	if n := hole.n.Load(); n < int64(b.N) {
		b.Errorf("of %d messages %d were handed on", b.N, n)
	}
}

// BenchmarkOpen opens a spool of a gigabyte (64 MB with -short) of which nothing is
// settled.
func BenchmarkOpen(b *testing.B) {
	n := 4 << 20
	if testing.Short() {
		n = 1 << 18
	}
	c := benchmarkConfig(b)
	b.SetBytes(fill(b, c, n))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		s, err := Open(c)
		if err != nil {
			b.Fatal(err)
		}
		if st := s.Stats(); st.Replayed < uint64(n) {
			b.Fatalf("%+v", st)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/message")
}

// BenchmarkMarks notes messages to be settled, ten of a stream at a time, the streams
// in no order, and saves that after every 5,000.
func BenchmarkMarks(b *testing.B) {
	const streams, batch = 1000, 10
	s, err := Open(benchmarkConfig(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	before := cpu()
	ms := make([]engine.Message, batch)
	for n := 0; n < b.N; n += streams * batch {
		first := uint64(n + 1)
		s.journal.segs = []*segment{{first: first, next: first + streams*batch, records: streams * batch}}
		for k, stream := range rand.Perm(streams) {
			for i := range ms {
				ms[i].Pos = first + uint64(i*streams+stream)
			}
			s.journal.settle(ms)
			if k%(streams/2) > 0 {
				continue
			}
			if err := s.keeper.save(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(s.keeper.off)/float64(b.N), "bytes/op")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

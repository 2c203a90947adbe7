package spool

import (
	"bytes"
	"context"
	"fmt"
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

// counter is a producer that counts.
type counter struct{ spooled, settled atomic.Int64 }

func (c *counter) Spooled(ms []engine.Message) { c.spooled.Add(int64(len(ms))) }
func (c *counter) Settled(ms []engine.Message, _ engine.Result, _ error) {
	c.settled.Add(int64(len(ms)))
}

// BenchmarkSpool takes messages of 200 bytes through the spool: accepted, synced,
// told, handed on, settled. cpu-ns is the time of all processors for a message.
func BenchmarkSpool(b *testing.B) {
	hole := &sinkhole{queues: map[string]*queue{}}
	s, err := Open(Config{
		Dir: b.TempDir(), Max: 10 * engine.GiB, Numbers: numbers(),
		Limits: Limits{MaxPending: 256 * engine.MiB, MaxStreams: 100_000, DrainTimeout: time.Minute},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, hole) }()
	data := bytes.Repeat([]byte{'x'}, 200)
	ids := make([]string, 1000)
	for i := range ids {
		ids[i] = fmt.Sprint("stream", i)
	}
	c := &counter{}
	now := time.Now().UTC()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for i := range b.N {
		m := engine.Message{ID: ids[i%len(ids)], Seq: int64(i + 1), Client: "client", Op: "report", Time: now, Received: now, Remote: "127.0.0.1:1234", Data: data}
		if err := s.Route(ctx, m, c); err != nil {
			b.Fatal(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/float64(s.Stats().Syncs), "messages/sync")
	if c.spooled.Load() != int64(b.N) || c.settled.Load() != int64(b.N) {
		b.Errorf("of %d messages %d were spooled and %d settled", b.N, c.spooled.Load(), c.settled.Load())
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

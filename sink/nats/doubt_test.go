package nats_test

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/natstest"
)

// isAck tells whether a frame answers a publish.
func isAck(f natstest.Frame) bool {
	return strings.HasPrefix(f.Subject, "_INBOX.") && bytes.Contains(f.Raw, []byte(`"seq":`)) && !bytes.Contains(f.Raw, []byte(`"type":`))
}

// isPublish tells whether a frame is a carrier.
func isPublish(f natstest.Frame) bool {
	return f.Op == "PUB" && strings.HasPrefix(f.Subject, "ingest.")
}

// each gives the verdict to every n-th frame of a kind.
func each(n int64, is func(natstest.Frame) bool, v natstest.Verdict) func(natstest.Frame) natstest.Verdict {
	var count atomic.Int64
	return func(f natstest.Frame) natstest.Verdict {
		if is(f) && count.Add(1)%n == 0 {
			return v
		}
		return natstest.Pass
	}
}

// Whatever becomes of publishes and of their acks, the log has each message once by
// its key, and in order.
func TestDoubt(t *testing.T) {
	for name, faults := range map[string]func(p *natstest.Proxy){
		"acks are lost":               func(p *natstest.Proxy) { p.ToClient(each(40, isAck, natstest.Drop)) },
		"publishes are lost":          func(p *natstest.Proxy) { p.ToServer(each(40, isPublish, natstest.Drop)) },
		"it breaks after a publish":   func(p *natstest.Proxy) { p.ToServer(each(60, isPublish, natstest.Last)) },
		"it breaks before a publish":  func(p *natstest.Proxy) { p.ToServer(each(60, isPublish, natstest.Cut)) },
		"it breaks instead of an ack": func(p *natstest.Proxy) { p.ToClient(each(60, isAck, natstest.Cut)) },
		"it breaks and acks are lost, too": func(p *natstest.Proxy) {
			p.ToServer(each(70, isPublish, natstest.Last))
			p.ToClient(each(50, isAck, natstest.Drop))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := natstest.Start(t)
			p := natstest.NewProxy(t, server.Address())
			c := config(p.URL)
			c.Partitions, c.AckTimeout = 8, 100*time.Millisecond
			s := open(t, c)
			faults(p)
			l := start(t, s, 50, 100)
			l.done()
			l.check(connect(t, nil, server.URL()))
			if s.Stats().Failures == 0 {
				t.Error("nothing has failed")
			}
		})
	}
}

// A publish that was given up and arrives after it was written again is stale: it
// overtakes nothing.
func TestLatePublish(t *testing.T) {
	server := natstest.Start(t)
	p := natstest.NewProxy(t, server.Address())
	c := config(p.URL)
	c.Partitions, c.AckTimeout = 1, time.Second
	s := open(t, c)
	js := connect(t, nil, server.URL())

	group := func(seqs ...int64) []engine.Batch {
		b := engine.Batch{ID: "a"}
		for _, seq := range seqs {
			b.Messages = append(b.Messages, engine.Message{ID: "a", Seq: seq, Client: "c", Op: "report"})
		}
		return []engine.Batch{b}
	}
	p.ToServer(each(1, isPublish, natstest.Hold))
	failed := make(chan error)
	go func() {
		_, err := s.Write(t.Context(), group(1, 2))
		failed <- err
	}()
	if err := <-failed; err == nil || engine.IsBlocked(err) || engine.IsPermanent(err) {
		t.Fatalf("it was held, and Write says: %v", err)
	}
	p.ToServer(nil)
	p.Cut()
	write := func(seqs ...int64) {
		natstest.Eventually(t, "it is connected again", func() bool {
			_, err := s.Write(t.Context(), group(seqs...))
			return err == nil
		})
	}
	write(1, 2)
	write(3)
	p.Release()
	stream, err := js.Stream(t.Context(), "ingest")
	if err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the late one is in the log", func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.State.Msgs == 3
	})
	log, err := readLog(t.Context(), js, "ingest")
	if err != nil {
		t.Fatal(err)
	}
	if log.stale != 1 || len(log.messages) != 3 {
		t.Errorf("%+v", log)
	}
	last, err := stream.GetMsg(t.Context(), 3)
	if err != nil || !bytes.Contains(last.Data, []byte{'a'}) {
		t.Error(err)
	}
	if stats := s.Stats(); stats.Failures < 1 || stats.Reconnects < 1 || stats.Publishes != 2 || stats.PublishedMessages != 3 || stats.AckTimes.Count() != 2 {
		t.Errorf("%+v", stats)
	}
}

// While a publish to a partition is neither acked nor given up, there is no other
// to it, of whatever Write.
func TestOneInFlight(t *testing.T) {
	server := natstest.Start(t)
	p := natstest.NewProxy(t, server.Address())
	c := config(p.URL)
	c.Partitions, c.AckTimeout = 2, time.Minute
	s := open(t, c)
	ids := [2]string{} // one of each partition
	for n := 0; ids[0] == "" || ids[1] == ""; n++ {
		id := strconv.Itoa(n)
		ids[jet.Partition(id, 2)] = id
	}
	var published atomic.Int64
	p.ToServer(func(f natstest.Frame) natstest.Verdict {
		if isPublish(f) {
			published.Add(1)
		}
		return natstest.Pass
	})
	p.ToClient(each(1, isAck, natstest.Hold))
	write := func(ctx context.Context, batches []engine.Batch) chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := s.Write(ctx, batches)
			ended <- err
		}()
		return ended
	}
	first := write(t.Context(), one(ids[1]))
	natstest.Eventually(t, "the first is published", func() bool { return published.Load() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	second := write(ctx, append(one(ids[0]), one(ids[1])...))
	natstest.Eventually(t, "the second has published what it may", func() bool { return published.Load() >= 2 })
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	p.ToClient(nil)
	p.Release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	if _, err := s.Write(t.Context(), one(ids[0])); err != nil { // the turn was given back
		t.Error(err)
	}
	if n := published.Load(); n != 3 {
		t.Errorf("%d were published, not 3: two at a time to one partition", n)
	}
}

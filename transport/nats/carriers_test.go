package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/natstest"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// one makes a server, a stream of one partition and a Reader of it.
func one(t *testing.T) (p *publisher, router *transporttest.Router, r *served, again func(*transporttest.Router) *served) {
	t.Helper()
	server := natstest.Start(t)
	p = publish(t, server.URL())
	p.stream("s", 1, jetstream.FileStorage)
	router = transporttest.NewRouter()
	again = func(router *transporttest.Router) *served {
		return serve(t, router, steadyPace, testConfig(server.URL()))
	}
	return p, router, again(router), again
}

// reports are the messages of Kind Report that were routed, as id:seq.
func reports(ms []engine.Message) string {
	var texts []string
	for _, m := range ms {
		if m.Kind == engine.Report {
			texts = append(texts, fmt.Sprint(m.ID, ":", m.Seq))
		}
	}
	return strings.Join(texts, " ")
}

func await(t *testing.T, r *transporttest.Router, what string, is func(s transporttest.State) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Wait(ctx, is); err != nil {
		t.Fatalf("waiting for %s: %s", what, reports(r.Messages()))
	}
}

// settled is for await: so many were accepted, and all are settled.
func settled(n int) func(transporttest.State) bool {
	return func(s transporttest.State) bool { return len(s.Messages) >= n && s.Pending == 0 }
}

// floor waits until the floor in the bucket is there.
func (p *publisher) floor(seq uint64) {
	p.t.Helper()
	natstest.Eventually(p.t, fmt.Sprint("the floor is ", seq), func() bool {
		is := uint64(0)
		p.floors(func(_ int, at place) { is = at.Floor })
		return is == seq
	})
}

// All of a message arrives, with how its stream ended.
func TestMessages(t *testing.T) {
	p, router, _, _ := one(t)
	report := engine.Message{
		ID: "a", Seq: 5, Client: "c", Op: "report", Code: -7, Time: testTime, Received: testTime.Add(time.Second),
		Remote: "10.0.0.1:5", Sender: "token", Data: []byte(`{"x": 1}`),
	}
	final := report
	final.Kind, final.Seq, final.Code, final.Data, final.Received = engine.Done, 6, 3, []byte(`"end"`), testTime.Add(2*time.Second)
	p.put("s.0", jet.AppendCarrier(nil, jet.Header{Flow: 9, N: 1}, []engine.Batch{
		{ID: "a", Messages: []engine.Message{report}, End: engine.EndOp, Ended: final.Received, Final: &final},
		{ID: "b", End: engine.EndDisconnect, Ended: testTime},
	}))
	await(t, router, "all", settled(3))
	ms := router.Messages()
	for i, want := range []engine.Message{report, final, {Kind: engine.Disconnect, ID: "b", Received: testTime}} {
		m := ms[i]
		if m.Lease == nil || m.Tag != 0 {
			t.Errorf("message %d has the lease %v and the tag %d", i, m.Lease, m.Tag)
		}
		m.Lease = nil
		if fmt.Sprint(m) != fmt.Sprint(want) {
			t.Errorf("message %d is %v, not %v", i, m, want)
		}
	}
	p.floor(1)
}

// A carrier that was given up and turns up late is left out, also by the next reader;
// the floor passes it.
func TestStale(t *testing.T) {
	p, router, r, again := one(t)
	put := func(flow, n uint64, seq int64) uint64 {
		return p.put("s.0", p.carrier(jet.Header{Flow: flow, N: n}, "a", seq))
	}
	put(1, 1, 1)
	put(1, 3, 2) // 2 was given up
	put(1, 2, 99)
	put(2, 1, 3)
	last := put(1, 3, 98)
	await(t, router, "three", settled(3))
	p.floor(last)
	if got := reports(router.Messages()); got != "a:1 a:2 a:3" || r.Stats().Stale != 2 {
		t.Errorf("routed are %s, stale %d", got, r.Stats().Stale)
	}
	r.end(t)
	put(2, 1, 97)
	put(1, 2, 96)
	last = put(1, 4, 4)
	router = transporttest.NewRouter()
	r = again(router)
	await(t, router, "the last", settled(1))
	p.floor(last)
	if got := reports(router.Messages()); got != "a:4" || r.Stats().Stale != 2 {
		t.Errorf("routed are %s, stale %d", got, r.Stats().Stale)
	}
}

// What no ingestd wrote is left out. What a newer one wrote is not: the partition
// waits, others go on, and the next reader begins there.
func TestForeignAndNewer(t *testing.T) {
	p, router, r, again := one(t)
	p.put("s.0", []byte("hello"))
	p.put("s.0", nil)
	last := p.send("a", 1)
	await(t, router, "one", settled(1))
	p.floor(last)
	if s := r.Stats(); s.Foreign != 2 || s.Carriers != 1 || s.Messages != 1 {
		t.Errorf("%+v", s)
	}
	newer := p.carrier(jet.Header{Flow: 1, N: 7}, "a", 2)
	newer[4] = 200
	p.put("s.0", newer)
	p.send("a", 3)
	natstest.Eventually(t, "it fails", func() bool {
		state, why := r.State()
		return state == StateFailing && strings.Contains(why, "upgrade")
	})
	r.end(t) // it can be ended nevertheless
	if got := reports(router.Messages()); got != "a:1" {
		t.Errorf("routed are %s", got)
	}
	r = again(transporttest.NewRouter())
	natstest.Eventually(t, "the next one fails too", func() bool { state, _ := r.State(); return state == StateFailing })
	p.floor(last)
}

// A malformed message in a carrier is left out, and what is refused for good is
// settled; so are they when the router has no room for them now.
func TestRefused(t *testing.T) {
	p, router, r, _ := one(t)
	many := 0
	router.Refuse(func(m engine.Message) error {
		switch {
		case m.Seq == 2:
			return engine.Permanent(errors.New("malformed"))
		case m.Seq == 3 && many < 2:
			many++
			return engine.ErrTooManyStreams
		case m.Seq == 4 && many < 4:
			many++
			return engine.ErrOverloaded
		}
		return nil
	})
	router.Outcome(func(m engine.Message) error {
		if m.Seq == 3 {
			return engine.ErrConflict
		}
		return nil
	})
	last := p.send("a", 1, 2, 3, 4, 0)
	await(t, router, "three", settled(3))
	p.floor(last)
	if got := reports(router.Messages()); got != "a:1 a:3 a:4" || r.Stats().Refused != 2 || many != 4 {
		t.Errorf("routed are %s, refused %d, tries %d", got, r.Stats().Refused, many)
	}
}

// What was not stored keeps the floor where it is: the next reader has it again.
func TestUndelivered(t *testing.T) {
	p, router, r, again := one(t)
	router.Outcome(func(m engine.Message) error {
		if m.Seq == 2 {
			return engine.ErrUndelivered
		}
		return nil
	})
	first := p.send("a", 1)
	p.send("a", 2)
	p.send("a", 3)
	await(t, router, "three", settled(3))
	p.floor(first)
	r.end(t)
	p.floor(first)
	router = transporttest.NewRouter()
	again(router)
	await(t, router, "two", settled(2))
	if got := reports(router.Messages()); got != "a:2 a:3" {
		t.Errorf("routed are %s", got)
	}
}

// The router takes nothing more: that is the end of reading, and not of Serve.
func TestClosed(t *testing.T) {
	p, router, r, _ := one(t)
	router.Close()
	p.send("a", 1)
	natstest.Eventually(t, "it is seen", func() bool { return r.Stats().Carriers == 1 })
	r.end(t)
	p.floor(0)
}

// A window is bounded: with nothing settled only so many carriers are read, and then
// their streams are flushed. Large carriers come too.
func TestWindowIsBounded(t *testing.T) {
	p, router, r, _ := one(t)
	router.Hold()
	futures := make([]jetstream.PubAckFuture, 0, mostCarriers+500)
	for i := range cap(futures) {
		f, err := p.js.PublishAsync("s.0", p.carrier(jet.Header{Flow: 1, N: uint64(i + 1)}, fmt.Sprint("id-", i%5), int64(i+1)))
		if err != nil {
			t.Fatal(err)
		}
		futures = append(futures, f)
		if i%1000 == 999 {
			<-p.js.PublishAsyncComplete()
		}
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			t.Fatal(err)
		}
	}
	await(t, router, "flushes", func(s transporttest.State) bool {
		return len(s.Messages) > 0 && s.Messages[len(s.Messages)-1].Kind == engine.Flush
	})
	await(t, router, "a flush of each stream", func(s transporttest.State) bool { return len(s.Messages) >= mostCarriers+5 })
	if n := len(router.Messages()); n != mostCarriers+5 {
		t.Errorf("%d messages were routed", n)
	}
	natstest.Eventually(t, "the rest is counted", func() bool { return r.Stats().Behind >= int64(cap(futures)-1) })
	if oldest := r.Stats().OldestUnsettled; oldest.IsZero() || time.Since(oldest) > time.Hour {
		t.Errorf("the oldest is of %v", oldest)
	}
	router.Release()
	p.floor(uint64(cap(futures)))
	if s := r.Stats(); s.Behind != 0 || !s.OldestUnsettled.IsZero() {
		t.Errorf("%+v", s)
	}
}

// A carrier that is larger than what one request asks for is read, and those behind it.
func TestLargeCarriers(t *testing.T) {
	server := natstest.Start(t, natstest.MaxPayload(8<<20))
	p := publish(t, server.URL())
	p.stream("s", 1, jetstream.FileStorage)
	router := transporttest.NewRouter()
	serve(t, router, steadyPace, testConfig(server.URL()))
	for i := range 4 {
		size := 10
		if i%2 == 1 {
			size = 3 << 20
		}
		m := engine.Message{ID: "a", Seq: int64(i + 1), Data: []byte(`"` + strings.Repeat("x", size) + `"`), Received: testTime}
		p.put("s.0", jet.AppendCarrier(nil, jet.Header{Flow: 1, N: uint64(i + 1)}, []engine.Batch{{ID: "a", Messages: []engine.Message{m}}}))
	}
	await(t, router, "four", settled(4))
	if got := reports(router.Messages()); got != "a:1 a:2 a:3 a:4" {
		t.Errorf("routed are %s", got)
	}
	p.floor(4)
}

package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/outbound"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// quickPace is the usual one, five times as fast.
var quickPace = pace{
	beat:     200 * time.Millisecond,
	lease:    800 * time.Millisecond,
	dead:     6,
	forget:   12,
	handOver: time.Second,
	request:  2 * time.Second,
	floor:    50 * time.Millisecond,
	purge:    200 * time.Millisecond,
	measure:  100 * time.Millisecond,
	idle:     200 * time.Millisecond,
	expires:  10 * time.Second,
	wait:     200 * time.Millisecond,
}

// steadyPace is for tests in which nobody dies: a machine that is slow costs no lease.
var steadyPace = func() pace {
	p := quickPace
	p.lease, p.dead, p.handOver = time.Minute, 600, time.Minute
	return p
}()

func testConfig(urls ...string) Config {
	c := DefaultConfig()
	c.URL, c.Stream = nil, "s"
	for _, url := range urls {
		c.URL = append(c.URL, outbound.Secrets{engine.Secret(url)}...)
	}
	return c
}

// publisher writes streams as sinks do.
type publisher struct {
	t    testing.TB
	nc   *natsgo.Conn
	js   jetstream.JetStream
	name string
	size int // partitions
	n    map[string]uint64
}

func publish(t testing.TB, urls ...string) *publisher {
	t.Helper()
	nc, err := testConfig(urls...).Dial(t.Context(), "a test", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return &publisher{t: t, nc: nc, js: js, n: make(map[string]uint64)}
}

// stream makes one, whose subjects begin with its name.
func (p *publisher) stream(name string, partitions int, storage jetstream.StorageType, replicas ...int) *jet.Stream {
	p.t.Helper()
	p.name, p.size = name, partitions
	s, _, err := jet.EnsureStream(p.t.Context(), p.js, jet.StreamConfig{
		Name: name, Subject: name, Partitions: partitions, Replicas: max(1, len(replicas)*3), Storage: storage, MaxBytes: -1,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// carrier is one of the stream's, with a message for each seq.
func (p *publisher) carrier(h jet.Header, id string, seqs ...int64) []byte {
	b := engine.Batch{ID: id}
	for _, seq := range seqs {
		b.Messages = append(b.Messages, engine.Message{
			ID: id, Seq: seq, Client: "c", Op: "report", Data: fmt.Append(nil, seq), Received: testTime, Time: testTime,
		})
	}
	return jet.AppendCarrier(nil, h, []engine.Batch{b})
}

// send publishes a carrier of the next number of the flow 1 and waits until it is
// stored, however long the servers are away.
func (p *publisher) send(id string, seqs ...int64) uint64 {
	p.t.Helper()
	partition := jet.Partition(id, p.size)
	subject := jet.Subject(p.name, partition)
	p.n[subject]++
	return p.put(subject, p.carrier(jet.Header{Flow: 1, N: p.n[subject]}, id, seqs...))
}

func (p *publisher) put(subject string, data []byte) uint64 {
	p.t.Helper()
	for {
		ctx, cancel := context.WithTimeout(p.t.Context(), time.Second)
		ack, err := p.js.Publish(ctx, subject, data)
		cancel()
		if err == nil {
			return ack.Sequence
		}
		if !pause(p.t.Context(), 20*time.Millisecond) {
			p.t.Errorf("publish: %v", err)
			return 0
		}
	}
}

// served is a Reader that runs.
type served struct {
	*Reader
	stop context.CancelFunc
	done chan error
}

// serve opens a Reader and serves it until the end of the test.
func serve(t testing.TB, router engine.Router, pace pace, c Config) *served {
	t.Helper()
	if c.Logger == nil {
		c.Logger = hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Debug})
	}
	r, err := open(t.Context(), c, pace)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &served{r, stop, make(chan error, 1)}
	go func() { s.done <- r.Serve(ctx, router) }()
	t.Cleanup(func() { s.end(t) })
	return s
}

// end ends Serve, which must return nil.
func (s *served) end(t testing.TB) {
	t.Helper()
	s.stop()
	select {
	case err := <-s.done:
		if err != nil {
			t.Errorf("Serve returned %v", err)
		}
		s.done <- nil
	case <-time.After(time.Minute):
		t.Fatal("Serve does not return")
	}
}

// floors gives the places of the group "ingest".
func (p *publisher) floors(each func(partition int, at place)) {
	p.t.Helper()
	keys, err := p.js.KeyValue(p.t.Context(), p.name+"-readers")
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range p.size {
		entry, err := keys.Get(p.t.Context(), key{group: "ingest", partition: i}.String())
		if err != nil {
			p.t.Fatal(err)
		}
		var at place
		if err := json.Unmarshal(entry.Value(), &at); err != nil {
			p.t.Fatal(err)
		}
		each(i, at)
	}
}

// readers counts those that have a heartbeat in the bucket.
func (p *publisher) readers() (count int) {
	keys, err := p.js.KeyValue(p.t.Context(), p.name+"-readers")
	if err != nil {
		p.t.Fatal(err)
	}
	all, err := keys.ListKeys(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	for key := range all.Keys() {
		if strings.Contains(key, ".reader.") {
			count++
		}
	}
	return count
}

func (p *publisher) partition(id string) int { return jet.Partition(id, p.size) }

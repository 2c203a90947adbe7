package nats_test

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
	store "github.com/ingestd/ingestd/sink"
	sink "github.com/ingestd/ingestd/sink/nats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config is that of a sink at a server.
func config(urls ...string) sink.Config {
	c := sink.DefaultConfig()
	c.URL = nil
	for _, u := range urls {
		c.URL = append(c.URL, engine.Secret(u))
	}
	return c
}

func open(t testing.TB, c sink.Config) *sink.Sink {
	t.Helper()
	s, err := sink.Open(t.Context(), c, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// connect is a connection beside that of the sink.
func connect(t testing.TB, options []nats.Option, urls ...string) jetstream.JetStream {
	t.Helper()
	o := nats.GetDefaultOptions()
	o.Servers, o.MaxReconnect = urls, -1
	for _, option := range options {
		if err := option(&o); err != nil {
			t.Fatal(err)
		}
	}
	nc, err := o.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// logged is what a reader takes from the log of a stream.
type logged struct {
	carriers, stale int
	messages        []engine.Message // in order, partition after partition, without what is stale
}

// readLog reads a stream back as a reader does: partition by partition, in the order
// of the log, without the carriers that were given up.
func readLog(ctx context.Context, js jetstream.JetStream, name string) (*logged, error) {
	stream, err := jet.OpenStream(ctx, js, name)
	if err != nil {
		return nil, err
	}
	last := stream.CachedInfo().State.LastSeq
	parts := make(map[string][]engine.Message)
	flows := make(map[[2]uint64]uint64)
	l := &logged{}
	for seq := stream.CachedInfo().State.FirstSeq; seq <= last; seq++ {
		m, err := stream.GetMsg(ctx, seq)
		if err != nil {
			return nil, err
		}
		c, err := jet.ReadCarrier(m.Data)
		if err != nil {
			return nil, err
		}
		l.carriers++
		var message engine.Message
		var partition uint64
		var all []engine.Message
		for c.Next(&message) {
			partition = uint64(jet.Partition(message.ID, stream.Partitions))
			if subject := jet.Subject(stream.Subject, int(partition)); subject != m.Subject {
				return nil, &engine.OptionError{Option: message.ID, Problem: "is in " + m.Subject}
			}
			all = append(all, message)
		}
		key := [2]uint64{c.Flow, partition}
		if c.N <= flows[key] {
			l.stale++
			continue
		}
		flows[key] = c.N
		parts[m.Subject] = append(parts[m.Subject], all...)
	}
	for p := range stream.Partitions {
		l.messages = append(l.messages, parts[jet.Subject(stream.Subject, p)]...)
	}
	return l, nil
}

// first are the reports of the log, each key once, where it was first, with data and
// times as they are to be stored.
func (l *logged) first() (all []engine.Message) {
	type key struct {
		id, client string
		seq        int64
	}
	seen := make(map[key]bool)
	for _, m := range l.messages {
		k := key{m.ID, m.Client, m.Seq}
		if m.Kind == engine.Report && !seen[k] {
			seen[k] = true
			m.Data = []byte(store.Data(&m))
			m.Received = store.Received(&m, time.Time{})
			m.Time = store.Sent(m.Time, m.Received)
			all = append(all, m)
		}
	}
	return all
}

package nats_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/natstest"
	sink "github.com/ingestd/ingestd/sink/nats"
)

// one is a group of one message.
func one(id string, data ...byte) []engine.Batch {
	return []engine.Batch{{ID: id, Messages: []engine.Message{{ID: id, Seq: 1, Op: "report", Data: data}}}}
}

// fails writes until the error is as it is wanted, and has those words.
func fails(t *testing.T, s *sink.Sink, kind string, words ...string) {
	t.Helper()
	is := map[string]func(error) bool{
		"transient": func(err error) bool { return !engine.IsBlocked(err) && !engine.IsPermanent(err) },
		"blocked":   engine.IsBlocked,
	}[kind]
	var last error
	natstest.Eventually(t, kind+" with "+strings.Join(words, ", "), func() bool {
		if _, err := s.Write(t.Context(), one("a")); err == nil || !is(err) || !hasAll(err.Error(), words) {
			if fmt.Sprint(err) != fmt.Sprint(last) {
				t.Logf("now: %v", err)
				last = err
			}
			return false
		}
		return true
	})
}

func hasAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// succeeds writes until that succeeds.
func succeeds(t *testing.T, s *sink.Sink) {
	t.Helper()
	var last error
	natstest.Eventually(t, "a Write succeeds", func() bool {
		_, err := s.Write(t.Context(), one("a"))
		if err != nil && fmt.Sprint(err) != fmt.Sprint(last) {
			t.Logf("now: %v", err)
			last = err
		}
		return err == nil
	})
}

// The server is stopped and started while it is written to.
func TestRestartUnderLoad(t *testing.T) {
	server := natstest.Start(t, natstest.SyncAlways)
	c := config(server.URL())
	c.Partitions, c.AckTimeout = 8, time.Second
	s := open(t, c)
	l := start(t, s, 50, 200)
	for _, n := range []int{1000, 3000, 6000} {
		l.at(n)
		server.Restart()
	}
	l.done()
	l.check(connect(t, nil, server.URL()))
	if s.Stats().Reconnects == 0 {
		t.Error("it was never connected again")
	}
}

// While the server is away a Write fails at once, and nothing is kept for later.
func TestAway(t *testing.T) {
	server := natstest.Start(t)
	s := open(t, config(server.URL()))
	if !s.Stats().Connected {
		t.Error("is not connected")
	}
	server.Stop()
	fails(t, s, "transient", "not connected to "+server.Address())
	if s.Stats().Connected {
		t.Error("is connected")
	}
	server.Restart()
	js := connect(t, nil, server.URL())
	natstest.Eventually(t, "it is connected again", func() bool { return s.Stats().Connected })
	stream, err := js.Stream(t.Context(), "ingest")
	if err != nil || stream.CachedInfo().State.Msgs != 0 {
		t.Errorf("%v: something was kept: %+v", err, stream.CachedInfo().State)
	}
	succeeds(t, s)
}

// A stream that is full takes nothing, and loses nothing, until there is room.
func TestFull(t *testing.T) {
	server := natstest.Start(t)
	c := config(server.URL())
	c.MaxBytes = engine.MiB
	s := open(t, c)
	js := connect(t, nil, server.URL())
	var err error
	stored := 0
	for ; err == nil && stored < 20; stored++ {
		_, err = s.Write(t.Context(), one("a", make([]byte, 100_000)...))
	}
	if err == nil || engine.IsBlocked(err) || engine.IsPermanent(err) || !strings.Contains(err.Error(), "the stream ingest is full") {
		t.Fatalf("after %d: %v", stored, err)
	}
	stream, err := js.Stream(t.Context(), "ingest")
	if err != nil || stream.CachedInfo().State.FirstSeq != 1 {
		t.Fatalf("%v: %+v", err, stream.CachedInfo().State)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(3)); err != nil {
		t.Fatal(err)
	}
	if _, err = s.Write(t.Context(), one("a", make([]byte, 100_000)...)); err != nil {
		t.Error(err)
	}
}

// A stream that is deleted blocks, and one in its place is taken.
func TestDeleted(t *testing.T) {
	server := natstest.Start(t)
	c := config(server.URL())
	s := open(t, c)
	js := connect(t, nil, server.URL())
	if err := js.DeleteStream(t.Context(), "ingest"); err != nil {
		t.Fatal(err)
	}
	fails(t, s, "blocked", "stream ingest", "not found")
	if _, err := js.Stream(t.Context(), "ingest"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("the sink has made it again: %v", err)
	}
	open(t, c) // a restart makes it
	succeeds(t, s)
}

// A stream whose messages go to another one blocks.
func TestStolenSubject(t *testing.T) {
	server := natstest.Start(t)
	s := open(t, config(server.URL()))
	js := connect(t, nil, server.URL())
	if err := js.DeleteStream(t.Context(), "ingest"); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "thief", Subjects: []string{"ingest.>"}}); err != nil {
		t.Fatal(err)
	}
	fails(t, s, "blocked", "stored by the stream thief")
}

// A stream that is altered so that it loses messages blocks, soon.
func TestAltered(t *testing.T) {
	server := natstest.Start(t)
	s := open(t, config(server.URL()))
	js := connect(t, nil, server.URL())
	stream, err := js.Stream(t.Context(), "ingest")
	if err != nil {
		t.Fatal(err)
	}
	is := stream.CachedInfo().Config
	is.Discard = jetstream.DiscardOld
	if _, err := js.UpdateStream(t.Context(), is); err != nil {
		t.Fatal(err)
	}
	sink.LookAgain(s)
	fails(t, s, "blocked", "stream ingest", "discard new")
	is.Discard = jetstream.DiscardNew
	if _, err := js.UpdateStream(t.Context(), is); err != nil {
		t.Fatal(err)
	}
	succeeds(t, s)
}

// A group that is larger than the server takes is split; a message that is larger is
// refused, by its place in the group; and what the server takes may change.
func TestTooLarge(t *testing.T) {
	server := natstest.Start(t, natstest.MaxPayload(10_000))
	c := config(server.URL())
	c.Partitions = 2
	s := open(t, c)
	js := connect(t, nil, server.URL())
	group := []engine.Batch{{ID: "only asked for", Resume: "c"}}
	for i := range 8 {
		b := engine.Batch{ID: fmt.Sprint("s", i), End: engine.EndOp, Final: &engine.Message{Kind: engine.Done, Seq: 99, Data: make([]byte, 3000)}}
		for j := range 9 {
			b.Messages = append(b.Messages, engine.Message{ID: b.ID, Client: "c", Seq: int64(j + 1), Op: "report", Data: make([]byte, 4000)})
		}
		group = append(group, b)
	}
	results, err := s.Write(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(group) || results[1] != (engine.Result{Rows: -1, LastSeq: -1}) {
		t.Errorf("%+v", results)
	}
	l := &load{t: t, streams: 8, each: 9}
	if log := l.check(js); log.carriers < 8*9/2 || len(log.messages) != 8*10 {
		t.Errorf("%d carriers, %d messages", log.carriers, len(log.messages))
	}
	refused := func(batch, message int, of string) {
		t.Helper()
		_, err := s.Write(t.Context(), group)
		var r *engine.RejectError
		if !errors.As(err, &r) || r.Batch != batch || r.Message != message || !strings.Contains(err.Error(), of) || engine.ErrorCode(err) != "too_large" {
			t.Errorf("%v, not a Reject of %d in %d", err, message, batch)
		}
	}
	const payload = "the max_payload of the NATS server is 10000"
	before := s.Stats().Publishes
	for _, j := range []int{0, 4, 8} {
		group[5].Messages[j].Data = make([]byte, 10_000)
		refused(5, j, payload)
		group[5].Messages[j].Data = nil
	}
	group[8].Final.Data = make([]byte, 10_000)
	refused(8, 9, payload)
	if now := s.Stats().Publishes; now != before {
		t.Errorf("%d carriers were published with what is refused", now-before)
	}

	server.Restart(natstest.MaxPayload(20_000))
	natstest.Eventually(t, "it takes more", func() bool {
		_, err := s.Write(t.Context(), group)
		return err == nil
	})
	server.Restart(natstest.MaxPayload(10_000))
	natstest.Eventually(t, "it takes less", func() bool {
		_, err := s.Write(t.Context(), group)
		return engine.IsPermanent(err)
	})
	refused(8, 9, payload)
	group[8].Final.Data = nil

	stream, err := js.Stream(t.Context(), "ingest")
	if err != nil {
		t.Fatal(err)
	}
	is := stream.CachedInfo().Config
	is.MaxMsgSize = 4020
	if _, err := js.UpdateStream(t.Context(), is); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), group); err == nil || engine.IsPermanent(err) || engine.IsBlocked(err) {
		t.Errorf("what the stream now refuses: %v", err)
	}
	refused(1, 0, "the max_msg_size of the stream is 4020")
}

// Who may not publish is told so, and goes on once it may.
func TestPermission(t *testing.T) {
	users := func(publish ...string) natstest.Option {
		return func(o *natsserver.Options) {
			o.Users = []*natsserver.User{
				{Username: "root", Password: "s3cret-root"},
				{Username: "edge", Password: "s3cret-edge", Permissions: &natsserver.Permissions{Publish: &natsserver.SubjectPermission{Allow: publish}}},
			}
		}
	}
	server := natstest.Start(t, users("$JS.API.>", "ingest.*"))
	c := config(server.URL())
	c.User, c.Password, c.AckTimeout = "edge", "s3cret-edge", 200*time.Millisecond
	s := open(t, c)
	succeeds(t, s)
	server.Restart(users("$JS.API.>"))
	fails(t, s, "blocked", "Permissions Violation", "ingest.")
	server.Restart(users("$JS.API.>", "ingest.*"))
	succeeds(t, s)

	// And so is who may no longer connect.
	server.Restart(func(o *natsserver.Options) { o.Users = o.Users[:1] })
	fails(t, s, "blocked", "not connected", "uthorization")
	server.Restart(users("$JS.API.>", "ingest.*"))
	succeeds(t, s)
}

package nats_test

import (
	"context"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/natstest"
	sink "github.com/ingestd/ingestd/sink/nats"
)

func TestConfigValidate(t *testing.T) {
	if err := sink.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	c := sink.Config{
		Stream: "a.b", Subject: "a..b", Partitions: 4097, Replicas: 2, Storage: "tape", MaxBytes: 1, Writers: 65,
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("all is wrong, and nothing is told")
	}
	want := []string{
		"url: is missing", "connect_timeout: must be positive", `stream: is no name of a stream: "a.b"`, `subject: is no subject: "a..b"`,
		"partitions: must be 1 to 4096, not 4097", "replicas: must be 1, 3 or 5, not 2", `storage: must be "file" or "memory", not "tape"`,
		"max_bytes: must be at least 1MiB", "ack_timeout: must be positive", "writers: must be 1 to 64, not 65", "group_size: must be 1 to",
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not told:\n%v", w, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != len(want) {
		t.Errorf("%d faults, not %d:\n%v", n, len(want), err)
	}
	if _, err := sink.Open(t.Context(), c, nil); err == nil {
		t.Error("Open does not validate")
	}
}

// Whom it cannot reach, and what it cannot write to, Open names.
func TestOpen(t *testing.T) {
	server := natstest.Start(t)
	c := config(server.URL())
	s := open(t, c)
	if want := "nats " + server.Address() + " stream ingest"; s.String() != want {
		t.Errorf("String is %q, not %q", s, want)
	}
	c.Partitions = 32
	_, err := sink.Open(t.Context(), c, nil)
	if !engine.IsBlocked(err) || !strings.Contains(err.Error(), "has 64 partitions, and 32 are set") || !strings.Contains(err.Error(), server.Address()) {
		t.Error(err)
	}
	server.Stop()
	_, err = sink.Open(t.Context(), c, nil)
	if err == nil || engine.IsBlocked(err) || !strings.Contains(err.Error(), server.Address()) {
		t.Error(err)
	}
}

// A server without JetStream, and one where we may not ask for the stream.
func TestOpenWithoutStream(t *testing.T) {
	bare := natstest.Start(t, func(o *natsserver.Options) { o.JetStream = false })
	_, err := sink.Open(t.Context(), config(bare.URL()), nil)
	if err == nil || engine.IsBlocked(err) || !strings.Contains(err.Error(), "no server answers for JetStream") {
		t.Error(err)
	}
	closed := natstest.Start(t, func(o *natsserver.Options) {
		o.Users = []*natsserver.User{{Username: "edge", Permissions: &natsserver.Permissions{
			Publish: &natsserver.SubjectPermission{Allow: []string{"ingest.*"}},
		}}}
	})
	c := config(closed.URL())
	c.User = "edge"
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // for an answer that does not come
	defer cancel()
	_, err = sink.Open(ctx, c, nil)
	if !engine.IsBlocked(err) || !strings.Contains(err.Error(), "Permissions Violation") {
		t.Error(err)
	}
}

package jet_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/natstest"
)

func streamConfig() jet.StreamConfig {
	return jet.StreamConfig{
		Name: "ingest", Subject: "a.b", Partitions: 16, Replicas: 1, Storage: jetstream.FileStorage, MaxBytes: int64(10 * engine.MiB),
	}
}

// The stream is made once, whoever comes first, and found again.
func TestEnsureStream(t *testing.T) {
	js := natstest.Connect(t, natstest.Start(t).URL())
	if _, err := jet.OpenStream(t.Context(), js, "ingest"); !errors.Is(err, jetstream.ErrStreamNotFound) || !engine.IsBlocked(err) {
		t.Errorf("a stream that is not there: %v", err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, differs, err := jet.EnsureStream(t.Context(), js, streamConfig())
			if err != nil || s.Subject != "a.b" || s.Partitions != 16 || s.MaxMessage != 0 || len(differs) > 0 {
				t.Errorf("%+v, %v, %v", s, differs, err)
			}
		})
	}
	wg.Wait()
	s, err := jet.OpenStream(t.Context(), js, "ingest")
	if err != nil || s.Subject != "a.b" || s.Partitions != 16 {
		t.Fatalf("%+v, %v", s, err)
	}
	is := s.CachedInfo().Config
	if is.Retention != jetstream.LimitsPolicy || is.Discard != jetstream.DiscardNew || is.Storage != jetstream.FileStorage ||
		is.MaxBytes != 10<<20 || is.Replicas != 1 || !slices.Equal(is.Subjects, []string{"a.b.*"}) {
		t.Errorf("%+v", is)
	}
	// What loses nothing may differ, and is told.
	c := streamConfig()
	c.MaxBytes, c.Replicas, c.Storage = 1<<30, 3, jetstream.MemoryStorage
	_, differs, err := jet.EnsureStream(t.Context(), js, c)
	want := []string{"replicas is 1, not 3", "storage is File, not Memory", "max_bytes is 10MiB, not 1GiB"}
	if err != nil || !slices.Equal(differs, want) {
		t.Errorf("%v, %q", err, differs)
	}
}

// A stream that would lose messages, or where ids would move, is refused with what
// to do, by who writes and by who reads; and by both once it is changed so.
func TestUnfitStream(t *testing.T) {
	js := natstest.Connect(t, natstest.Start(t).URL())
	good := func() jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: "ingest", Subjects: []string{"a.b.*"}, Discard: jetstream.DiscardNew, MaxBytes: 10 << 20,
			Metadata: map[string]string{"ingestd.partitions": "16", "ingestd.layout": "1"},
		}
	}
	for name, c := range map[string]struct {
		change func(*jetstream.StreamConfig)
		says   string
		reader bool // refuses it too
	}{
		"another count": {
			func(c *jetstream.StreamConfig) { c.Metadata["ingestd.partitions"] = "32" }, "set partitions = 32", false,
		},
		"no count": {
			func(c *jetstream.StreamConfig) { delete(c.Metadata, "ingestd.partitions") }, "was not made by ingestd", true,
		},
		"an odd count": {
			func(c *jetstream.StreamConfig) { c.Metadata["ingestd.partitions"] = "0" }, "was not made by ingestd", true,
		},
		"newer": {
			func(c *jetstream.StreamConfig) { c.Metadata["ingestd.layout"] = "2" }, "has layout 2, and this ingestd knows 1: upgrade it", true,
		},
		"another subject": {
			func(c *jetstream.StreamConfig) { c.Subjects = []string{"x.*"} }, `has the subjects ["x.*"], not ["a.b.*"]`, false,
		},
		"no partitions in the subject": {
			func(c *jetstream.StreamConfig) { c.Subjects = []string{"a.b.c"} }, "has the subjects", true,
		},
		"two subjects": {
			func(c *jetstream.StreamConfig) { c.Subjects = []string{"a.b.*", "x"} }, "has the subjects", true,
		},
		"a work queue": {
			func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, "it needs retention limits", true,
		},
		"an age": {
			func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, "it needs no max_age", true,
		},
		"drops what is old": {
			func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }, "it needs discard new", true,
		},
		"drops what is old of a subject": {
			func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 }, "it needs no max_msgs_per_subject", true,
		},
		"no acks, no purge": {
			func(c *jetstream.StreamConfig) { c.NoAck, c.DenyPurge = true, true }, "it needs no no_ack, no deny_purge", true,
		},
		"acks early": {
			func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, "it needs persist_mode default", true,
		},
		"renames": {
			func(c *jetstream.StreamConfig) {
				c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "a.b.*", Destination: "x.$1"}
			}, "it needs no subject_transform", true,
		},
		"a mirror": {
			func(c *jetstream.StreamConfig) { c.Subjects, c.Mirror = nil, &jetstream.StreamSource{Name: "other"} }, "is filled from another stream", true,
		},
		"fit": {func(c *jetstream.StreamConfig) { c.MaxMsgs, c.MaxMsgSize = 1000, 5000 }, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			config := good()
			c.change(&config)
			var err error
			// Of one that was deleted something may still be there.
			natstest.Eventually(t, "the stream is made", func() bool {
				_, err = js.CreateStream(t.Context(), config)
				return err == nil || !strings.Contains(err.Error(), "error creating store")
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = js.DeleteStream(t.Context(), "ingest") }()
			check := func(who string, err error) {
				t.Helper()
				if c.says == "" {
					if err != nil {
						t.Errorf("%s: %v", who, err)
					}
				} else if !engine.IsBlocked(err) || !strings.Contains(err.Error(), "stream ingest: ") || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: %v", who, err)
				}
			}
			s, _, err := jet.EnsureStream(t.Context(), js, streamConfig())
			check("who writes", err)
			if err == nil && s.MaxMessage != 5000 {
				t.Errorf("the largest message is %d", s.MaxMessage)
			}
			if c.reader {
				_, err := jet.OpenStream(t.Context(), js, "ingest")
				check("who reads", err)
			}
		})
	}
}

// What makes it impossible to make the stream is told, and blocks.
func TestStreamCannotBeMade(t *testing.T) {
	js := natstest.Connect(t, natstest.Start(t).URL())
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "other", Subjects: []string{"a.>"}}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*jet.StreamConfig)
		says   string
	}{
		"the subject is taken": {func(*jet.StreamConfig) {}, "overlap"},
		"too large":            {func(c *jet.StreamConfig) { c.Subject, c.MaxBytes = "x", 1<<50 }, "insufficient storage"},
		"one server":           {func(c *jet.StreamConfig) { c.Subject, c.Replicas = "x", 3 }, "replicas > 1 not supported"},
	} {
		config := streamConfig()
		c.change(&config)
		_, _, err := jet.EnsureStream(t.Context(), js, config)
		if !engine.IsBlocked(err) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "stream ingest: cannot be made with subject") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A stream that changes is seen to.
func TestCheck(t *testing.T) {
	js := natstest.Connect(t, natstest.Start(t).URL())
	s, _, err := jet.EnsureStream(t.Context(), js, streamConfig())
	if err != nil {
		t.Fatal(err)
	}
	is := s.CachedInfo().Config
	change := func() error {
		if _, err := js.UpdateStream(t.Context(), is); err != nil {
			t.Fatal(err)
		}
		s, err = s.Check(t.Context())
		return err
	}
	is.MaxMsgSize = 7000
	if err := change(); err != nil || s.MaxMessage != 7000 || s.Partitions != 16 {
		t.Errorf("%v, %+v", err, s)
	}
	before := s
	is.MaxAge = time.Hour
	if err := change(); !engine.IsBlocked(err) || !strings.Contains(err.Error(), "max_age") {
		t.Error(err)
	}
	s = before
	if err := js.DeleteStream(t.Context(), "ingest"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(t.Context()); !engine.IsBlocked(err) || !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Error(err)
	}
}

// There is no buffer to exceed: the library says so of a connection that is away.
func TestClassifyDisconnected(t *testing.T) {
	if err := jet.Classify(fmt.Errorf("publish: %w", nats.ErrReconnectBufExceeded)); !errors.Is(err, nats.ErrDisconnected) || strings.Contains(err.Error(), "buffer") {
		t.Error(err)
	}
}

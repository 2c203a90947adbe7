package nats

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// recording is the log of a bucket.
type recording struct {
	stop  func()
	done  chan struct{}
	steps []step
}

type step struct {
	key      string
	revision uint64
	place
}

// record reads the log of the bucket of the stream from now on.
func record(t testing.TB, p *publisher) *recording {
	t.Helper()
	stream, err := p.js.Stream(t.Context(), p.name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := openBucket(t.Context(), p.js, stream.CachedInfo().Config, usualPace.request)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := p.js.KeyValue(t.Context(), p.name+"-readers")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watch, err := keys.WatchAll(ctx, jetstream.IncludeHistory())
	if err != nil {
		t.Fatal(err)
	}
	r := &recording{done: make(chan struct{})}
	r.stop = func() {
		defer cancel()
		// Everything before this is read.
		if _, err := b.put(ctx, key{group: "recorded", reader: "x"}, nil); err != nil {
			t.Error(err)
			cancel()
		}
		<-r.done
	}
	go func() {
		defer close(r.done)
		for entry := range watch.Updates() {
			if entry == nil {
				continue
			}
			if strings.HasPrefix(entry.Key(), "recorded.") {
				return
			}
			s := step{key: entry.Key(), revision: entry.Revision()}
			if strings.Contains(s.key, ".partition.") {
				if err := json.Unmarshal(entry.Value(), &s.place); err != nil {
					t.Errorf("%s: %v", s.key, err)
				}
				r.steps = append(r.steps, s)
			}
		}
	}()
	return r
}

// check ends the recording. No floor may have moved back; nobody may have written a
// partition that another had, but to claim it; and in the end it is nobody's.
func (r *recording) check(t testing.TB) {
	t.Helper()
	r.stop()
	now := map[string]step{}
	for _, s := range r.steps {
		before, known := now[s.key]
		if known && s.Floor < before.Floor {
			t.Errorf("%s: the floor moves from %d back to %d", s.key, before.Floor, s.Floor)
		}
		if known && s.Owner != before.Owner && s.Owner != "" && s.Floor != before.Floor {
			t.Errorf("%s: %s claims it at %d, and it was at %d", s.key, s.Owner, s.Floor, before.Floor)
		}
		if known && s.Owner == "" && before.Owner == "" {
			t.Errorf("%s: it is given back twice", s.key)
		}
		now[s.key] = s
	}
	for key, s := range now {
		if s.Owner != "" {
			t.Errorf("%s: it is %s's still", key, s.Owner)
		}
	}
}

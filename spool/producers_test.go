package spool

import (
	"fmt"
	"testing"

	"github.com/ingestd/ingestd/engine"
)

// What a producer that waits for the sink costs in memory does not depend on how much
// it has sent.
func TestProducersThatWaitAreSmall(t *testing.T) {
	r := start(t, newCrashFS(), newHeld(), nil)
	var waiting []*producer
	for i := range 2 * spares {
		l := newListener()
		for range 3 {
			if err := l.route(t.Context(), r.Spool, engine.Message{ID: fmt.Sprint("stream", i)}); err != nil {
				t.Fatal(err)
			}
		}
		r.producers.mu.Lock()
		waiting = append(waiting, r.producers.of[l])
		r.producers.mu.Unlock()
	}
	if err := r.end(true); err != nil {
		t.Fatal(err)
	}
	for _, p := range waiting {
		if p.spooled != nil {
			t.Fatalf("a producer keeps memory for %d messages that are spooled", cap(p.spooled))
		}
	}
	if n := len(r.committer.spare); n == 0 || n > spares {
		t.Errorf("the committer keeps memory for %d producers", n)
	}
}

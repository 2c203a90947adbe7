package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Of many streams that are ready at once, in whatever order they came, neighbours are
// written together; and those that come meanwhile wait until these are written, even
// if they would come before them.
func TestNeighboursAreWrittenTogether(t *testing.T) {
	for _, format := range []string{"%05d", "a-long-common-beginning-%05d", "%05d-and-more-behind-it", "%d"} {
		t.Run(format, func(t *testing.T) { testNeighbours(t, format) })
	}
}

func testNeighbours(t *testing.T, format string) {
	const (
		streams = 20_000
		group   = 1000
		first   = 3 * group // those that were there before there were many
		later   = 3000
	)
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		rank := make(map[string]int, streams) // by id
		ids := make([]string, streams)
		for i := range ids {
			ids[i] = fmt.Sprintf(format, 10_000+i)
			rank[ids[i]] = i
		}
		rand.Shuffle(streams, func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		written, overtook := 0, 0
		s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
			time.Sleep(time.Second) // virtual: all are in line
			lo, hi := streams, 0
			for _, b := range batches {
				if strings.HasPrefix(b.ID, "!") {
					if written < streams-2*group { // the border is within a group
						overtook++
					}
					continue
				}
				written++
				lo, hi = min(lo, rank[b.ID]), max(hi, rank[b.ID])
			}
			if written > first && hi-lo > 2*group {
				t.Errorf("after %d streams a group goes from number %d to %d", written, lo, hi)
			}
			return 0, nil
		}
		r := start(t, s, func(o *engine.Options) { o.BatchSize, o.GroupSize = 1, group })
		for _, id := range ids {
			r.send(id, "1")
		}
		time.Sleep(2500 * time.Millisecond)
		for i := range later {
			r.send(fmt.Sprint("!", i), "1")
		}
		r.end()
		if overtook > 0 {
			t.Errorf("%d streams overtook those that waited when they came", overtook)
		}
		if written != streams {
			t.Errorf("%d streams were written, not %d", written, streams)
		}
	})
}

package daemon

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon/internal/admin"
	"github.com/ingestd/ingestd/engine"
)

// A minute in which something happened has a line, and the first one after it in
// which nothing did; then there is none until something happens again.
func TestSummaries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out safeBuffer
		log := hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true})
		var now admin.Sample
		var mu sync.Mutex // the race detector does not know of the order of timers
		set := func(change func()) {
			mu.Lock()
			defer mu.Unlock()
			change()
		}
		ctx, cancel := context.WithCancel(t.Context())
		go summaries(ctx, log, func() (s admin.Sample) { set(func() { s = now }); return s })
		minute := func(want ...string) {
			t.Helper()
			out.mu.Lock()
			out.Reset()
			out.mu.Unlock()
			time.Sleep(time.Minute)
			synctest.Wait()
			got := out.String()
			if len(want) == 0 && got != "" {
				t.Errorf("while nothing happens:\n%s", got)
			}
			for _, w := range want {
				if !strings.Contains(got, w) || strings.Count(got, "\n") != 1 {
					t.Errorf("%q is not in:\n%s", w, got)
				}
			}
		}
		synctest.Wait()
		minute()
		set(func() { now.Connections = 3 })
		minute()
		set(func() {
			now = admin.Sample{
				Received: 6000, Stored: 5990, DeadLettered: 4, Pending: 6, Streams: 2, Connections: 1,
				StoredAfter: engine.Histogram{Bounds: []float64{0.01, 0.02}, Counts: []uint64{0, 5990, 0}, Sum: 90},
			}
		})
		minute("[INFO]  the last minute: received-per-second=100 stored-per-second=99.8 pending=6 streams=2 connections=1 dead-letters=4 stored-after-p99=19.9ms")
		minute("received-per-second=0 stored-per-second=0 pending=6") // something waits
		minute("pending=6")
		set(func() { now.Pending, now.Stored = 0, 5996 })
		minute("received-per-second=0 stored-per-second=0.1 pending=0")
		minute("received-per-second=0 stored-per-second=0 pending=0 streams=2 connections=1 dead-letters=0\n")
		minute()
		set(func() { now.Spool = 7 })
		minute("in-spool=7")
		cancel()
		synctest.Wait()
	})
}

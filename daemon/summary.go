package daemon

import (
	"context"
	"math"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon/internal/admin"
)

// summaryPace is the time between two summaries.
const summaryPace = time.Minute

// summaries writes a line a minute to the log, of what became of messages, until ctx
// ends. While nothing happens it writes none, after one that says so.
func summaries(ctx context.Context, log hclog.Logger, sample func() admin.Sample) {
	ticks := time.NewTicker(summaryPace)
	defer ticks.Stop()
	last, at, quiet := sample(), time.Now(), true
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		next, now := sample(), time.Now()
		idle := isIdle(last, next)
		if !idle || !quiet {
			log.Info("the last minute", summary(last, next, now.Sub(at))...)
		}
		last, at, quiet = next, now, idle
	}
}

// isIdle tells whether no message came, was stored, or waits. Clients that are
// connected do not matter.
func isIdle(last, next admin.Sample) bool {
	return next.Received == last.Received && next.Stored == last.Stored &&
		next.DeadLettered == last.DeadLettered && next.Pending == 0 && next.Spool == 0
}

// summary gives what happened between two samples, as keys and values.
func summary(last, next admin.Sample, took time.Duration) []any {
	rate := func(before, after uint64) float64 {
		return math.Round(float64(after-before)/took.Seconds()*10) / 10
	}
	args := []any{
		"received-per-second", rate(last.Received, next.Received),
		"stored-per-second", rate(last.Stored, next.Stored),
		"pending", next.Pending,
	}
	if next.Spool > 0 {
		args = append(args, "in-spool", next.Spool)
	}
	args = append(args, "streams", next.Streams, "connections", next.Connections,
		"dead-letters", next.DeadLettered-last.DeadLettered)
	if after := next.StoredAfter.Sub(last.StoredAfter); after.Count() > 0 {
		p99 := time.Duration(after.Quantile(0.99) * float64(time.Second))
		args = append(args, "stored-after-p99", p99.Round(time.Millisecond/10))
	}
	return args
}

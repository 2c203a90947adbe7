package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

var (
	letters = define(gauge, "ingest_dead_letters",
		"Dead letters that are kept.")

	pool = define(gauge, "ingest_sink_connections",
		"Connections of the sink to its database that write.", "sink")
	poolInUse = define(gauge, "ingest_sink_connections_in_use",
		"Those of them that a write has.", "sink")
	poolLimit = define(gauge, "ingest_sink_connections_limit",
		"The bound of them: writers.", "sink")
	poolOpened = define(counter, "ingest_sink_connections_opened_total",
		"Connections that were opened.", "sink")
	poolFailed = define(counter, "ingest_sink_connect_failures_total",
		"Connections that could not be opened.", "sink")

	ready = define(gauge, "ingest_ready",
		"1 while messages would be taken, as /readyz says.")
	build = define(gauge, "ingest_build_info",
		"1, with the version that runs, its commit, and the version of Go.", "version", "commit", "go_version")
)

// DeadLetters shows how many dead letters a store keeps: it is a
// *deadletters.Store. While that cannot be read, there is no such figure.
func DeadLetters(store interface {
	Count(ctx context.Context) (int64, error)
},
) prometheus.Collector {
	return newCollector(nil, func(c *collection) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if n, err := store.Count(ctx); err == nil {
			number(c, letters, n)
		}
	}, []*metric{letters})
}

// Sink shows the connections of a sink that has any, by a Pool method that gives a
// [sink.Pool]. One that has another sink inside, or will have, tells which by an
// Unwrap method; nil: none yet.
func Sink(name string, s engine.Sink) prometheus.Collector {
	return newCollector(prometheus.Labels{"sink": name}, func(c *collection) {
		inner := s
		if w, ok := s.(interface{ Unwrap() engine.Sink }); ok {
			inner = w.Unwrap()
		}
		if pooled, ok := inner.(interface{ Pool() sink.Pool }); ok {
			p := pooled.Pool()
			number(c, pool, p.Open)
			number(c, poolInUse, p.InUse)
			number(c, poolLimit, p.Max)
			number(c, poolOpened, p.Opened)
			number(c, poolFailed, p.Failed)
		}
		if publishes, ok := inner.(NATSSinkStats); ok {
			c.natsSink(publishes.Stats())
		}
	}, []*metric{pool, poolInUse, poolLimit, poolOpened, poolFailed}, ofNATSSink)
}

// Ready shows whether a program would take messages.
func Ready(is func() bool) prometheus.Collector {
	return newCollector(nil, func(c *collection) { c.flag(ready, is()) }, []*metric{ready})
}

// Build shows which version runs.
func Build(version, commit, goVersion string) prometheus.Collector {
	return newCollector(nil, func(c *collection) {
		number(c, build, 1, version, commit, goVersion)
	}, []*metric{build})
}

// age is how long ago t was; 0 for the zero time.
func age(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t).Seconds())
}

package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/metrics"
	"github.com/ingestd/ingestd/sink"
	sinknats "github.com/ingestd/ingestd/sink/nats"
	"github.com/ingestd/ingestd/spool"
	"github.com/ingestd/ingestd/transport"
	"github.com/ingestd/ingestd/transport/nats"
)

// discard stores nothing and says that it did.
type discard struct{}

func (discard) Write(context.Context, []engine.Batch) ([]engine.Result, error) { return nil, nil }
func (discard) Close() error                                                   { return nil }

// pooled is one with connections.
type pooled struct{ discard }

func (pooled) Pool() sink.Pool { return sink.Pool{Open: 1, InUse: 1, Max: 2, Opened: 3, Failed: 4} }

// published is one that writes to NATS.
type published struct{ discard }

func (published) Stats() sinknats.Stats {
	return sinknats.Stats{Connected: true, Publishes: 3, AckTimes: engine.Histogram{Bounds: []float64{1}, Counts: []uint64{3, 0}}}
}

// late is one that may have another inside.
type late struct {
	discard
	inner engine.Sink
}

func (l *late) Unwrap() engine.Sink { return l.inner }

type (
	webSocketStats struct{ transport.WebSocketStats }
	httpStats      struct{ transport.HTTPStats }
	feedStats      struct{ transport.WebSocketClientStats }
	natsStats      struct{ all nats.Stats }
	letters        struct{ err error }
)

func (s webSocketStats) Stats() transport.WebSocketStats  { return s.WebSocketStats }
func (s httpStats) Stats() transport.HTTPStats            { return s.HTTPStats }
func (s feedStats) Stats() transport.WebSocketClientStats { return s.WebSocketClientStats }
func (s natsStats) Stats() nats.Stats                     { return s.all }
func (l letters) Count(context.Context) (int64, error)    { return 7, l.err }

func newEngine(t testing.TB) *engine.Engine {
	t.Helper()
	e, err := engine.New(discard{}, engine.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// families are the names that cs collect.
func families(t testing.TB, cs ...prometheus.Collector) (names []string) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(cs...)
	all, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		names = append(names, f.GetName())
	}
	return names
}

// Of the figures of everything together, none is missing, none comes twice, and all
// are as their descriptions say.
func TestEverything(t *testing.T) {
	e := newEngine(t)
	s, err := spool.Open(spool.Config{Dir: t.TempDir(), Max: engine.MiB, Numbers: e.Numbers(), Limits: spool.Limits{
		MaxPending: engine.MiB, MaxStreams: 1,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	// A second one of each: other names, other series.
	ws := webSocketStats{transport.WebSocketStats{Refusals: map[string]uint64{"auth": 1}, Errors: map[string]uint64{"bad_json": 1}}}
	post := httpStats{transport.HTTPStats{Refusals: map[string]uint64{"auth": 1}, Errors: map[string]uint64{"bad_json": 1}}}
	feed := feedStats{transport.WebSocketClientStats{Errors: map[string]uint64{"bad_json": 1}}}
	stream := natsStats{nats.Stats{Partitions: 64, Owned: 32}}
	names := families(t, metrics.Spool(s, e), metrics.DeadLetters(letters{}), metrics.Sink("one", pooled{}), metrics.Sink("two", pooled{}),
		metrics.WebSocket("a", ws), metrics.WebSocket("b", ws), metrics.HTTP("c", post), metrics.HTTP("d", post),
		metrics.WebSocketClient("e", feed), metrics.WebSocketClient("f", feed), metrics.NATS("g", stream), metrics.NATS("h", stream), metrics.Sink("three", published{}),
		metrics.Rejected(ws, post, feed, stream),
		metrics.Ready(func() bool { return true }), metrics.Build("v1", "abc", "go1"))
	for _, name := range metrics.Names() {
		if !slices.Contains(names, name) {
			t.Errorf("%s is never collected", name)
		}
	}
	if len(names) != len(metrics.Names()) {
		t.Errorf("%d of %d", len(names), len(metrics.Names()))
	}
}

// What cannot be told is not told.
func TestNothingToTell(t *testing.T) {
	for what, c := range map[string]prometheus.Collector{
		"a sink without connections":   metrics.Sink("x", discard{}),
		"a sink that is not open yet":  metrics.Sink("x", &late{}),
		"dead letters that are closed": metrics.DeadLetters(letters{errors.New("closed")}),
		"a transport without figures":  metrics.Rejected(struct{}{}),
	} {
		if names := families(t, c); len(names) > 0 {
			t.Errorf("%s has %v", what, names)
		}
	}
	if names := families(t, metrics.Sink("x", &late{inner: pooled{}})); len(names) != 5 {
		t.Errorf("an open one has %v", names)
	}
}

// What was accepted before it was refused counts once, and not as rejected.
func TestRejected(t *testing.T) {
	errs := map[string]uint64{"bad_json": 2, "rejected": 3, "conflict": 4, "undelivered": 5, "overloaded": 1}
	text := scrape(t, metrics.Rejected(webSocketStats{transport.WebSocketStats{Errors: errs}}, httpStats{transport.HTTPStats{Errors: errs}}))
	want := "# TYPE ingest_messages_rejected_total counter\n" +
		"ingest_messages_rejected_total{reason=\"bad_json\"} 4\ningest_messages_rejected_total{reason=\"overloaded\"} 2\n"
	if !strings.HasSuffix(text, want) {
		t.Errorf("%s", text)
	}
}

// What is behind, and how old, is that of the transport; a sink that is not open yet
// tells nothing.
func TestNATS(t *testing.T) {
	text := scrape(t, metrics.NATS("nats.a", natsStats{nats.Stats{Connected: true, Behind: 7, OldestUnsettled: time.Now().Add(-time.Hour)}}),
		metrics.Sink("nats", &late{inner: published{}}))
	for _, want := range []string{
		`ingest_nats_connected{transport="nats.a"} 1`, `ingest_nats_behind_carriers{transport="nats.a"} 7`,
		`ingest_nats_oldest_age_seconds{transport="nats.a"} 36`, `ingest_nats_sink_connected{sink="nats"} 1`,
		`ingest_nats_sink_publishes_total{sink="nats"} 3`, `ingest_nats_sink_ack_duration_seconds_count{sink="nats"} 3`,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if text := scrape(t, metrics.Sink("nats", &late{})); text != "" {
		t.Errorf("before it is open:\n%s", text)
	}
}

// Refusals for which there is no reason of their own are others.
func TestRefused(t *testing.T) {
	text := scrape(t, metrics.HTTP("edge", httpStats{transport.HTTPStats{Refused: 5, Refusals: map[string]uint64{"auth": 3}}}))
	for _, want := range []string{
		`ingest_transport_refused_total{reason="auth",transport="edge"} 3`, `ingest_transport_refused_total{reason="other",transport="edge"} 2`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func handler(cs ...prometheus.Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(cs...)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

func scrape(t testing.TB, cs ...prometheus.Collector) string {
	t.Helper()
	w := httptest.NewRecorder()
	handler(cs...).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// BenchmarkScrape is one scrape of a program with so many live streams.
func BenchmarkScrape(b *testing.B) {
	for _, streams := range []int{1, 100_000} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			e := newEngine(b)
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- e.Run(ctx) }()
			for i := range streams {
				if err := e.Route(ctx, engine.Message{ID: fmt.Sprint(i), Data: []byte("1")}, nil); err != nil {
					b.Fatal(err)
				}
			}
			h := handler(metrics.Engine(e), collectors.NewGoCollector(),
				collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
			}
			stop()
			if err := <-ended; err != nil {
				b.Error(err)
			}
		})
	}
}

func ExampleEngine() {
	e, err := engine.New(discard{}, engine.DefaultOptions())
	if err != nil {
		fmt.Println(err)
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.Engine(e))
	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range families {
		if f.GetName() == "ingest_messages_received_total" {
			fmt.Println(f.GetName(), f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	// Output: ingest_messages_received_total 0
}

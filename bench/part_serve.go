package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/metrics"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/mysql"
	sinknats "github.com/ingestd/ingestd/sink/nats"
	"github.com/ingestd/ingestd/sink/sqlite"
	"github.com/ingestd/ingestd/sink/stdout"
	transportnats "github.com/ingestd/ingestd/transport/nats"
)

// serveName starts the daemon: the file for its report, after how many messages and
// ends of streams it says that all is stored, then its own arguments.
const serveName = "part-serve"

// playDaemon is the daemon, as anybody would build it who adds sinks of his own:
// one that discards, and the usual ones with somebody who looks at the clock.
func playDaemon(args []string) (status int) {
	r := &recorder{}
	if len(args) < 2 {
		fmt.Fprintln(os.Stderr, "it needs a file, and what to expect")
		return 2
	}
	if _, err := fmt.Sscanf(args[1], expectFormat, &r.expect.messages, &r.expect.ends); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	status = daemon.Main(args[2:],
		daemon.WithSink("discard", defaultDiscard, openDiscard),
		watched(r, "discard", defaultDiscard, openDiscard),
		watched(r, "stdout", stdout.DefaultConfig, stdout.Open),
		watched(r, "sqlite", sqlite.DefaultConfig, sqlite.Open),
		watched(r, "mysql", mysql.DefaultConfig, mysql.Open),
		watched(r, "nats", sinknats.DefaultConfig, sinknats.Open),
		daemon.WithTransport(watchedName("nats"), transportnats.DefaultConfig, openReader),
	)
	text, err := json.Marshal(r.report())
	if err == nil {
		err = os.WriteFile(args[0], text, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(status, 1)
	}
	return status
}

// watchedName is what a watched sink is called in the configuration.
func watchedName(name string) string { return "watched-" + name }

func watched[C daemon.Config, S daemon.Sink](
	r *recorder, name string, defaults func() C, open func(context.Context, C, hclog.Logger) (S, error),
) daemon.Option {
	return daemon.WithSink(watchedName(name), defaults,
		func(ctx context.Context, c C, log hclog.Logger) (*watchedSink, error) {
			s, err := open(ctx, c, log)
			if err != nil {
				return nil, err
			}
			return &watchedSink{s, r}, nil
		})
}

// watchedSink notes how long messages take to be stored, and counts them.
type watchedSink struct {
	daemon.Sink
	recorder *recorder
}

// Write implements engine.Sink.
func (s *watchedSink) Write(ctx context.Context, batches []engine.Batch) ([]engine.Result, error) {
	begun := time.Now()
	s.recorder.begins(begun)
	results, err := s.Sink.Write(ctx, batches)
	if err == nil {
		s.recorder.wrote(batches, begun, time.Now())
	}
	return results, err
}

// recorder is what all that is watched is noted in.
type recorder struct {
	expect expected

	mu          sync.Mutex
	messages    int64
	ends        int64
	first, last time.Time // when the first Write began, and the last ended
	waited      histogram // from the receipt of messages until they are stored
	writes      histogram
	heap        []heapSample
}

// expected is when all is stored. Where it is zero, nobody asks.
type expected struct{ messages, ends int64 }

const expectFormat = "%d,%d"

func (e expected) String() string { return fmt.Sprintf(expectFormat, e.messages, e.ends) }

// heapSample is how many objects had been allocated when so many messages were
// stored.
type heapSample struct {
	messages int64
	objects  uint64
}

// objects reads how many objects this process has allocated. It costs a
// microsecond or so, and stops nobody.
func objects() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// perMessage is how many objects a message cost in the second half of the run, when
// what is kept for the next one has been made.
func perMessage(heap []heapSample) float64 {
	if len(heap) == 0 {
		return 0
	}
	last := heap[len(heap)-1]
	i := slices.IndexFunc(heap, func(s heapSample) bool { return s.messages >= last.messages/2 })
	if first := heap[i]; first.messages < last.messages {
		return float64(last.objects-first.objects) / float64(last.messages-first.messages)
	}
	return 0
}

// sampled is of how many messages one is looked at.
const sampled = 8

func (r *recorder) wrote(batches []engine.Batch, begun, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ends := 0, 0
	for i := range batches {
		if batches[i].End != "" {
			ends++
		}
		ms := batches[i].Messages
		for j := range ms {
			if n++; n%sampled == 0 {
				r.waited.record(now.Sub(ms[j].Received))
			}
		}
	}
	if n > 0 { // what only ends streams is another thing
		r.writes.record(now.Sub(begun))
	}
	r.messages += int64(n)
	if n > 0 {
		r.heap = append(r.heap, heapSample{r.messages, objects()})
		r.last = now
	}
	r.ends += int64(ends)
	if r.expect.messages > 0 && n+ends > 0 && r.messages >= r.expect.messages && r.ends >= r.expect.ends {
		fmt.Fprintln(os.Stderr, saysAll)
	}
}

// begins notes the first Write, where somebody wants to know.
func (r *recorder) begins(now time.Time) {
	if r.expect.messages == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first.IsZero() {
		r.first = now
		fmt.Fprintln(os.Stderr, saysBegun)
	}
}

// daemonReport is what the daemon's process writes at its end.
type daemonReport struct {
	Messages int64         `json:"messages"`
	P50      time.Duration `json:"p50"` // from receipt to stored
	P99      time.Duration `json:"p99"`
	WriteP99 time.Duration `json:"write_p99"`
	Writes   int64         `json:"writes"`
	Objects  float64       `json:"objects"` // allocated for a message
	First    time.Time     `json:"first"`   // when the first Write began; zero: nobody asked
	Last     time.Time     `json:"last"`    // when the last one ended
}

func (r *recorder) report() daemonReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return daemonReport{
		Messages: r.messages, P50: r.waited.quantile(0.5), P99: r.waited.quantile(0.99),
		WriteP99: r.writes.quantile(0.99), Writes: r.writes.count,
		Objects: perMessage(r.heap), First: r.first, Last: r.last,
	}
}

// watchedReader says when it has all partitions.
type watchedReader struct{ *transportnats.Reader }

func openReader(ctx context.Context, c transportnats.Config, h daemon.Host) (watchedReader, error) {
	c.Logger = h.Logger
	r, err := transportnats.Open(ctx, c)
	return watchedReader{r}, err
}

// Serve implements engine.Transport.
func (r watchedReader) Serve(ctx context.Context, router engine.Router) error {
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { r.watch(watching) })
	defer watch.Wait()
	defer stop()
	return r.Reader.Serve(ctx, router)
}

func (r watchedReader) watch(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s := r.Stats(); s.Partitions > 0 && s.Owned == s.Partitions {
			fmt.Fprintln(os.Stderr, saysOwner)
			return
		}
	}
}

// discardConfig has no settings.
type discardConfig struct{}

// Validate implements daemon.Config.
func (discardConfig) Validate() error { return nil }

func defaultDiscard() discardConfig { return discardConfig{} }

// discard is a sink that stores nothing.
type discard struct{}

var _ daemon.Sink = discard{}

func openDiscard(ctx context.Context, _ discardConfig, _ hclog.Logger) (discard, error) {
	return discard{}, ctx.Err()
}

// Write implements engine.Sink.
func (discard) Write(context.Context, []engine.Batch) ([]engine.Result, error) { return nil, nil }

// Close implements engine.Sink.
func (discard) Close() error { return nil }

func (discard) String() string { return "nothing" }

// readReport reads what a daemon's process has written.
func readReport(path string) (r daemonReport, err error) {
	text, err := os.ReadFile(path)
	return r, errors.Join(err, json.Unmarshal(text, &r))
}

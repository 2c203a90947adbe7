package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/spool"
)

// noSettings is the configuration of plugins that have none.
type noSettings struct{}

func (noSettings) Validate() error { return nil }
func none() noSettings             { return noSettings{} }

// testSink is a sink whose Write is the test's.
type testSink struct {
	open   func() // nil: it is open at once
	write  func(ctx context.Context, batches []engine.Batch) error
	closed chan struct{}
}

func (s *testSink) String() string { return "test" }
func (s *testSink) Close() error   { close(s.closed); return nil }
func (s *testSink) Write(ctx context.Context, batches []engine.Batch) ([]engine.Result, error) {
	return nil, s.write(ctx, batches)
}

// testTransport is a transport whose Serve is the test's.
type testTransport func(ctx context.Context, r engine.Router) error

func (t testTransport) Serve(ctx context.Context, r engine.Router) error { return t(ctx, r) }
func (t testTransport) URL() string                                      { return "test:" }
func (t testTransport) Close() error                                     { return nil }

// testDaemon is a daemon with these two, and what it logs. Nothing is left of it
// when the test ends.
func testDaemon(t *testing.T, s *testSink, serve testTransport, sets ...string) (*daemon, *safeBuffer) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, ignore)
	})
	s.closed = make(chan struct{})
	p := testPlugins(t,
		WithSink("test", none, func(context.Context, noSettings, hclog.Logger) (*testSink, error) {
			if s.open != nil {
				s.open()
			}
			return s, nil
		}),
		WithTransport("test", none, func(context.Context, noSettings, Host) (testTransport, error) { return serve, nil }),
	)
	t.Chdir(t.TempDir())
	cfg := testConfig(t, p, `transport "test" {}`, append(sets, "sink=test")...)
	var out safeBuffer
	return &daemon{cfg: cfg, log: newLogger(cfg.core, &out)}, &out
}

type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// A transport that fails ends the daemon, after a drain.
func TestTransportFails(t *testing.T) {
	var stored int
	s := &testSink{write: func(_ context.Context, batches []engine.Batch) error {
		for _, b := range batches {
			stored += len(b.Messages)
		}
		return nil
	}}
	d, out := testDaemon(t, s, func(ctx context.Context, r engine.Router) error {
		if err := r.Route(ctx, engine.Message{ID: "a", Data: []byte("1")}, nil); err != nil {
			return err
		}
		return errors.New("cable cut")
	}, "admin.listen=")
	err := d.run(context.Background())
	if statusOf(err) != exitFailed || !strings.Contains(err.Error(), "serve transport.test: cable cut") {
		t.Errorf("status %d: %v", statusOf(err), err)
	}
	<-s.closed
	if stored != 1 {
		t.Errorf("%d of 1 message stored", stored)
	}
	if !strings.Contains(out.String(), "cable cut") {
		t.Errorf("the log does not say why:\n%s", out)
	}
}

// Where every transport's source is exhausted, the work is done.
func TestTransportsAreExhausted(t *testing.T) {
	s := &testSink{write: func(context.Context, []engine.Batch) error { return nil }}
	d, _ := testDaemon(t, s, func(ctx context.Context, r engine.Router) error {
		return r.Route(ctx, engine.Message{ID: "a", Data: []byte("1")}, nil)
	}, "admin.listen=")
	if err := d.run(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestReadyz(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var blocked sync.Once
	began := make(chan struct{})
	s := &testSink{write: func(context.Context, []engine.Batch) error {
		blocked.Do(func() { close(began) })
		return engine.Blocked(errors.New("no such table"))
	}}
	routed := make(chan engine.Router, 1)
	d, _ := testDaemon(t, s, func(ctx context.Context, r engine.Router) error {
		routed <- r
		<-ctx.Done()
		return nil
	}, "admin.listen=127.0.0.1:0", "shutdown_timeout=10ms", "delivery.retry_max=100ms")
	ready := make(chan *parts, 1)
	d.ready = func(p *parts) { ready <- p }
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	p := <-ready
	url := p.admin.URL()

	code, body := get(t, url+"/readyz", "")
	want := "ready\nengine: ok: 0 streams live, 0 messages pending, 0 B of 256 MiB\nsink.test: ok: test\ndead_letters: ok: none\ntransport.test: ok: test:\n"
	if code != http.StatusOK || body != want {
		t.Errorf("got %d %s\nwanted %s", code, body, want)
	}
	if code, body := get(t, url+"/healthz", ""); code != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz says %d %s", code, body)
	}
	if code, _ := get(t, url+"/nothing", ""); code != http.StatusNotFound {
		t.Errorf("/nothing says %d", code)
	}

	if err := (<-routed).Route(ctx, engine.Message{Kind: engine.Done, ID: "a"}, nil); err != nil {
		t.Fatal(err)
	}
	<-began
	var got api.Readiness
	for deadline := time.Now().Add(patience); ; {
		code, body = get(t, url+"/readyz", "application/json")
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if !got.Ready || time.Now().After(deadline) {
			break
		}
	}
	if code != http.StatusServiceUnavailable || got.Reason != "the sink is blocked" || got.Parts[1].Detail != "test: no such table" {
		t.Errorf("got %d %s", code, body)
	}
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, engine.ErrUndelivered) {
		t.Error(err)
	}
}

func get(t *testing.T, url, accept string) (code int, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestJudge(t *testing.T) {
	now := time.Now()
	some := errors.New("why")
	for _, c := range []struct {
		name   string
		health engine.Health
		ready  bool
		states string
	}{
		{"healthy", engine.Health{}, true, "ok ok"},
		{"draining", engine.Health{Draining: true}, false, "draining ok"},
		{"full for a moment", engine.Health{FullSince: now.Add(-fullFor + 1)}, true, "full ok"},
		{"full for long", engine.Health{FullSince: now.Add(-fullFor)}, false, "full ok"},
		{"a failure that passes", engine.Health{Failing: some}, true, "ok failing"},
		{"no numbers yet needed", engine.Health{Numbers: some}, true, "failing ok"},
		{"no numbers", engine.Health{Numbers: some, FullSince: now.Add(-fullFor)}, false, "failing ok"},
		{"no dead letters", engine.Health{DeadLetters: some}, true, "failing ok"},
		{"blocked", engine.Health{Blocked: some, FullSince: now.Add(-time.Hour)}, false, "full blocked"},
	} {
		j := judge{now: now}
		j.engine(c.health, "")
		j.sink(c.health, false, "sink.test", "test", false)
		s := j.readiness(asItIs)
		if states := s.Parts[0].State + " " + s.Parts[1].State; s.Ready != c.ready || states != c.states || s.Ready == (s.Reason != "") {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

func TestJudgeWithASpool(t *testing.T) {
	now := time.Now()
	some := errors.New("why")
	for _, c := range []struct {
		name   string
		spool  spool.Health
		engine engine.Health
		ready  bool
		states string
	}{
		{"healthy", spool.Health{}, engine.Health{}, true, "ok ok"},
		{"the sink is blocked", spool.Health{}, engine.Health{Blocked: some}, true, "ok blocked"},
		{"full for a moment", spool.Health{FullSince: now.Add(-fullFor + 1)}, engine.Health{}, true, "full ok"},
		{"full for long", spool.Health{FullSince: now.Add(-fullFor)}, engine.Health{}, false, "full ok"},
		{"the engine is full", spool.Health{}, engine.Health{FullSince: now.Add(-fullFor)}, true, "ok ok"},
		{"no numbers", spool.Health{}, engine.Health{FullSince: now.Add(-fullFor), Numbers: some}, false, "ok ok failing"},
		{"the disk is full", spool.Health{Waiting: some}, engine.Health{}, false, "failing ok"},
		{"a message waits for other limits", spool.Health{Refused: some}, engine.Health{}, true, "failing ok"},
		{"failed", spool.Health{Failed: some}, engine.Health{}, false, "failed ok"},
		{"draining", spool.Health{Draining: true}, engine.Health{Draining: true}, false, "draining ok"},
	} {
		j := judge{now: now}
		j.spool(c.spool, spool.Stats{}, engine.GiB)
		j.sink(c.engine, false, "sink.test", "test", true)
		j.engine(behindSpool(c.engine), "")
		s := j.readiness(asItIs)
		states := s.Parts[0].State + " " + s.Parts[1].State
		if last := s.Parts[2].State; last != "ok" && last != "draining" {
			states += " " + last
		}
		if s.Ready != c.ready || states != c.states || s.Ready == (s.Reason != "") {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

func asItIs(text string) string { return text }

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
)

// freePort is an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// wantNotReady checks what the admin server answers while no messages are taken.
func wantNotReady(t *testing.T, url, reason, summary string) {
	t.Helper()
	if code, body := get(t, url+"/healthz", ""); code != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz says %d %s", code, body)
	}
	if code, body := get(t, url+"/readyz", ""); code != http.StatusServiceUnavailable || !strings.Contains(body, reason) {
		t.Errorf("/readyz says %d %s", code, body)
	}
	code, body := get(t, url+"/api/v1/status", "")
	var s api.Status
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		t.Fatalf("the status is %d %s: %v", code, body, err)
	}
	if s.Ready || !s.ReadOnly || !strings.Contains(s.Reason, reason) || !strings.HasPrefix(s.Summary, summary) {
		t.Errorf("the status says %q, %q; ready %v, read-only %v", s.Reason, s.Summary, s.Ready, s.ReadOnly)
	}
}

// While the sink is being opened, however long that takes, the admin server answers.
func TestAdminWhileTheSinkOpens(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	opening, open := make(chan struct{}), make(chan struct{})
	s := &testSink{
		open:  func() { close(opening); <-open },
		write: func(context.Context, []engine.Batch) error { return nil },
	}
	at := freePort(t)
	d, _ := testDaemon(t, s, func(ctx context.Context, _ engine.Router) error { <-ctx.Done(); return nil }, "admin.listen="+at)
	ready := make(chan struct{})
	d.ready = func(*parts) { close(ready) }
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	<-opening
	wantNotReady(t, "http://"+at, "starting: the sink is being opened", "Starting: The sink test is being opened.")
	close(open)
	<-ready
	if code, body := get(t, "http://"+at+"/readyz", ""); code != http.StatusOK {
		t.Errorf("once it is open /readyz says %d %s", code, body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// It answers during a drain, too, while the sink hangs.
func TestAdminWhileADrainHangs(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	writing, write := make(chan struct{}), make(chan struct{})
	s := &testSink{write: func(context.Context, []engine.Batch) error {
		close(writing)
		<-write
		return nil
	}}
	d, _ := testDaemon(t, s, func(ctx context.Context, r engine.Router) error {
		if err := r.Route(ctx, engine.Message{ID: "a", Data: []byte("1")}, nil); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}, "admin.listen=127.0.0.1:0", "router.batch_size=1")
	ready := make(chan string, 1)
	d.ready = func(p *parts) { ready <- p.admin.URL() }
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	url := <-ready
	<-writing
	cancel()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if _, body := get(t, url+"/readyz", ""); strings.Contains(body, "draining") {
			break
		}
	}
	wantNotReady(t, url, "draining", "Shutting down: The sink test is given the last messages; 1 message waits in memory.")
	close(write)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// askAs asks for the status with a token, under a name of the server.
func (p *process) askAs(token, host string) int {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.admin()+"/api/v1/status", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Host = host
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// Who may use the admin server changes with a reload.
func TestReloadOfAdmin(t *testing.T) {
	const first, second, name = "marker-first-0123456789", "marker-second-0123456789", "ops.example.com"
	dir := t.TempDir()
	config := func(admin string) {
		t.Helper()
		write(t, filepath.Join(dir, "config.hcl"), "transport \"websocket\" {\n  listen = \"127.0.0.1:0\"\n}\n"+
			"admin {\n  listen = \"127.0.0.1:0\"\n"+admin+"}\n")
	}
	config(fmt.Sprintf("token = %q\n", first))
	p := start(t, dir)
	want := func(token, host string, want int) {
		t.Helper()
		if got := p.askAs(token, host); got != want {
			t.Errorf("%s as %q: status %d, not %d", token, host, got, want)
		}
	}
	want(first, "", http.StatusOK)
	want(second, "", http.StatusUnauthorized)
	want(first, name, http.StatusForbidden)

	config(fmt.Sprintf("token = %q\nhosts = [%q]\n", second, name))
	p.signal(syscall.SIGHUP)
	line := p.await("configuration reloaded")
	for _, of := range []string{"admin.token", "admin.hosts"} {
		if !strings.Contains(line, of) {
			t.Errorf("%q does not name %s", line, of)
		}
	}
	want(first, "", http.StatusUnauthorized)
	want(second, "", http.StatusOK)
	want(second, name, http.StatusOK)
	want(first, name, http.StatusUnauthorized)

	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if strings.Contains(p.log(), "marker") {
		t.Error("a token is in the log")
	}
}

// Whoever looks at the daemon does not keep it from ending.
func TestTermWithLookers(t *testing.T) {
	p := start(t, t.TempDir(), append(free[:2:2], "--set=router.batch_size=1")...)
	var bodies []io.ReadCloser
	for _, path := range []string{"/api/v1/events?tail=1", "/api/v1/tail"} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.admin()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		defer func() { _ = resp.Body.Close() }()
		bodies = append(bodies, resp.Body)
	}
	c := p.dial()
	p.send(c, `{"id":"17","seq":1}`)
	if ack, err := p.receive(c); err != nil || !strings.Contains(ack, `"ack"`) {
		t.Fatal(ack, err)
	}
	_ = c.CloseNow()
	p.signal(syscall.SIGTERM)
	for _, body := range bodies {
		// What is being written may be cut.
		if _, err := io.Copy(io.Discard, body); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("it ends with %v", err)
		}
	}
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

package admin

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Whoever opens connections and sends nothing, or keeps what was answered, takes
// files of the process up to the bound, and keeps nobody out.
func TestSocketsAreBounded(t *testing.T) {
	s := open(t, Access{}, newDaemon(t))
	var log bytes.Buffer
	bound := newSockets(hclog.New(&hclog.LoggerOptions{Output: &log, DisableTime: true}))
	s.server.ConnState = bound.changed
	stop := serveOpen(t, s)
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", s.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		return c
	}
	request := func(c net.Conn, path string) *http.Response {
		t.Helper()
		if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return resp
	}
	lasting := dial()
	if resp := request(lasting, "/api/v1/tail"); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	var first net.Conn
	for i := range 3 * mostSockets {
		c := dial()
		if i == 0 {
			first = c
			_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost:") // its header does not end
		}
	}
	if resp := request(dial(), "/healthz"); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	if _, err := first.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest one is not closed: %v", err)
	}
	bound.mu.Lock()
	open, waiting := len(bound.open), bound.waiting.Len()
	bound.mu.Unlock()
	if open > mostSockets || waiting >= open {
		t.Errorf("%d are open, %d of them wait", open, waiting)
	}
	_ = lasting.SetReadDeadline(time.Now())
	if _, err := lasting.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("what is served is closed: %v", err)
	}
	stop()
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "[WARN]  admin has too many connections: those that wait are closed: count=1 remote=127.0.0.1:") {
		t.Errorf("logged: %s", text)
	}
}

// Whoever begins requests that do not end keeps nobody out either.
func TestRequestsWithoutEnd(t *testing.T) {
	s := open(t, Access{Token: token}, newDaemon(t))
	bound := newSockets(hclog.NewNullLogger())
	begun := make(chan struct{}, 2*mostSockets)
	s.server.ConnState = func(c net.Conn, state http.ConnState) {
		bound.changed(c, state)
		if state == http.StateActive {
			begun <- struct{}{}
		}
	}
	serveOpen(t, s)
	dial := func(text string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", s.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for range mostSockets {
		dial("POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nt")
	}
	for range mostSockets {
		<-begun
	}
	resp, err := http.ReadResponse(bufio.NewReader(dial("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%v: %v", resp, err)
	}
	bound.mu.Lock()
	defer bound.mu.Unlock()
	if len(bound.open) > mostSockets || len(bound.open) != bound.waiting.Len()+bound.serving.Len() {
		t.Errorf("%d are open, %d wait and %d are served", len(bound.open), bound.waiting.Len(), bound.serving.Len())
	}
}

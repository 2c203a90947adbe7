package transport

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/transport/transporttest"
)

func testHTTPConfig() HTTPConfig {
	c := DefaultHTTPConfig()
	c.Listen = "127.0.0.1:0"
	return c
}

// httpServer is an HTTP that is being served to a fake router.
type httpServer struct {
	*HTTP
	t      *testing.T
	router *transporttest.Router
	client *http.Client
	drain  context.CancelFunc
	served chan error
}

func serveHTTP(t *testing.T, change func(*HTTPConfig)) *httpServer {
	t.Helper()
	c := testHTTPConfig()
	if change != nil {
		change(&c)
	}
	h, err := ListenHTTP(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, drain := context.WithCancel(context.Background())
	s := &httpServer{
		HTTP: h, t: t, router: transporttest.NewRouter(), drain: drain, served: make(chan error, 1),
		client: &http.Client{Transport: &http.Transport{}, Timeout: patience},
	}
	go func() { s.served <- h.Serve(ctx, s.router) }()
	s.eventually("Serve", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.serving
	})
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		s.router.Unblock()
		s.router.Release()
		drain()
		s.waitServed()
	})
	return s
}

func (s *httpServer) waitServed() {
	s.t.Helper()
	select {
	case err := <-s.served:
		if err != nil {
			s.t.Errorf("Serve: %v", err)
		}
		s.served <- nil
	case <-time.After(patience):
		s.t.Fatal("Serve does not return")
	}
	if n := s.Stats().Bodies; n != 0 {
		s.t.Errorf("bodies take %d bytes after everything", n)
	}
}

func (s *httpServer) eventually(what string, ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			s.t.Fatal("waiting for ", what)
		}
	}
}

func (s *httpServer) waitFor(what string, ok func(transporttest.State) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.router.Wait(ctx, ok); err != nil {
		s.t.Fatalf("waiting for %s: %v; have %v", what, err, s.router.Messages())
	}
}

// answered is the answer of a request.
type answered struct {
	status int
	header http.Header
	body   string
}

// do sends a request. It may be called on any goroutine.
func (s *httpServer) do(method, query, body string, header ...string) (answered, error) {
	r, err := http.NewRequest(method, s.URL()+query, strings.NewReader(body))
	if err != nil {
		return answered{}, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return answered{resp.StatusCode, resp.Header, strings.TrimSpace(string(b))}, err
}

func (s *httpServer) post(query, body string, header ...string) answered {
	s.t.Helper()
	a, err := s.do("POST", query, body, header...)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// posting posts on a goroutine of its own.
func (s *httpServer) posting(query, body string, header ...string) <-chan answered {
	c := make(chan answered, 1)
	go func() {
		a, err := s.do("POST", query, body, header...)
		if err != nil {
			a.body = err.Error()
		}
		c <- a
	}()
	return c
}

func (s *httpServer) await(c <-chan answered) answered {
	s.t.Helper()
	select {
	case a := <-c:
		return a
	case <-time.After(patience):
		s.t.Fatal("no answer")
		return answered{}
	}
}

func (s *httpServer) want(got answered, status int, body string) {
	s.t.Helper()
	if got.status != status || got.body != body {
		s.t.Errorf("answered is %d %s\nwant        %d %s", got.status, got.body, status, body)
	}
}

// wantText wants an answer that is no JSON and holds text.
func (s *httpServer) wantText(got answered, status int, text string) {
	s.t.Helper()
	if got.status != status || !strings.Contains(got.body, text) || strings.HasPrefix(got.body, "{") {
		s.t.Errorf("answered is %d %s\nwant        %d %s", got.status, got.body, status, text)
	}
}

// routedIDs are the ids of what was routed, with the kinds of control messages.
func (s *httpServer) routedIDs() string {
	var all []string
	for _, m := range s.router.Messages() {
		if m.Kind == 0 {
			all = append(all, m.ID)
		} else {
			all = append(all, fmt.Sprint(m.Kind, " ", m.ID))
		}
	}
	return strings.Join(all, ", ")
}

package admin

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long tests wait for what should come at once.
const patience = 30 * time.Second

const token = "0123456789abcdef"

// keeps is a sink that takes everything.
type keeps struct{}

func (keeps) Write(context.Context, []engine.Batch) ([]engine.Result, error) { return nil, nil }
func (keeps) Close() error                                                   { return nil }

// newDaemon is a daemon with an engine that runs until the test ends.
func newDaemon(t *testing.T) *Daemon {
	t.Helper()
	o := engine.DefaultOptions()
	o.DataDir = t.TempDir()
	e, err := engine.New(keeps{}, o)
	if err != nil {
		t.Fatal(err)
	}
	letters, err := deadletters.Open(t.Context(), filepath.Join(t.TempDir(), "letters.db"), deadletters.Options{Sink: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := letters.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Daemon{
		Readiness: func(context.Context) api.Readiness {
			return api.Readiness{Ready: true, Parts: []api.Part{{Name: "engine", State: "ok", Detail: "a\nb"}}}
		},
		Status: func(context.Context) api.Status { return api.Status{Ready: true, Summary: "fine"} },
		Sample: func() Sample { s := e.Stats(); return Sample{Received: s.Accepted, Stored: s.Stored} },
		Engine: e, Tap: NewTap(e), Letters: letters,
		Redact: func(text string) string { return strings.ReplaceAll(text, "secret", "********") },
		Stored: func(context.Context, string, int) (*api.StoredStream, []api.StoredMessage, error) {
			return nil, nil, nil
		},
		Messages: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			answer(w, http.StatusOK, []string{string(body), r.Header.Get("Origin"), r.Header.Get("Authorization")})
		}),
		Config:      func() api.Config { return api.Config{Source: "x"} },
		SetLogLevel: func(string) error { return nil },
		Reload:      func(context.Context) (api.Reloaded, error) { return api.Reloaded{}, nil },
	}
}

// open makes a server that is not served: requests are brought to its handler.
func open(t *testing.T, a Access, d *Daemon) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0", a, d, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// serve makes a server that is served until the test ends.
func serve(t *testing.T, a Access, d *Daemon) *Server {
	t.Helper()
	s := open(t, a, d)
	serveOpen(t, s)
	return s
}

// serveOpen serves one that was opened, until the test or stop ends it.
func serveOpen(t *testing.T, s *Server) (stop func()) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	stop = sync.OnceFunc(func() {
		_ = s.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	t.Cleanup(stop)
	return stop
}

// ask brings a request to the server, as it would come over the loopback device.
func ask(s *Server, method, path, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:7002"
	r.RemoteAddr = "127.0.0.1:50000"
	for name, values := range header {
		if name == "Host" {
			r.Host = values[0]
			continue
		}
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	s.server.Handler.ServeHTTP(w, r)
	return w
}

// listensWide makes the guard believe that the server listens on all addresses.
func listensWide(s *Server) { s.guard.local = false }

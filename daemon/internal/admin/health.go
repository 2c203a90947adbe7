package admin

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/ingestd/ingestd/daemon/internal/api"
)

// healthz says that the process works.
func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("ok\n"))
}

// readyz says whether the daemon would take messages: 503 with the reason where it
// would not. JSON is for who accepts it.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ready := s.daemon.Load().Readiness(r.Context())
	code := http.StatusOK
	if !ready.Ready {
		code = http.StatusServiceUnavailable
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		answer(w, code, ready)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(readyText(ready)))
}

func readyText(r api.Readiness) string {
	var out strings.Builder
	if r.Ready {
		out.WriteString("ready\n")
	} else {
		fmt.Fprintf(&out, "not ready: %s\n", r.Reason)
	}
	for _, p := range r.Parts {
		fmt.Fprintf(&out, "%s: %s: %s\n", p.Name, p.State, strings.ReplaceAll(p.Detail, "\n", " "))
	}
	return out.String()
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	switch d := s.daemon.Load(); {
	case d.Metrics != nil:
		d.Metrics.ServeHTTP(w, r)
	case d.Sample == nil:
		starting(w)
	default:
		http.NotFound(w, r)
	}
}

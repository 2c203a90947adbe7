package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/engine"
)

// fullFor is how long there may be no room before the daemon is not ready.
const fullFor = 5 * time.Second

// status is the answer of /readyz.
type status struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"` // why it is not ready
	Parts  []part `json:"parts"`
}

// part is the state of one part of the daemon.
type part struct {
	Name   string `json:"name"`
	State  string `json:"state"` // ok draining full failing blocked
	Detail string `json:"detail"`
}

// statusOf gives the function that tells the status; ctx ends when a drain
// begins.
func (d *daemon) statusOf(ctx context.Context, p *parts) func() status {
	secrets := d.cfg.secrets()
	return func() status {
		health, stats := p.engine.Health(), p.engine.Stats()
		eng := part{"engine", "ok", fmt.Sprintf("%s live, %s pending, %s of %v",
			count(stats.Streams, "stream"), count(int(stats.Pending), "message"),
			human(engine.Size(stats.PendingBytes)), d.current.Load().Router.MaxPending)}
		sink := part{"sink." + d.cfg.sink.name, "ok", p.sink.String()}
		var reasons []string

		switch full := time.Since(health.FullSince); {
		case health.Draining || ctx.Err() != nil:
			eng.State = "draining"
			reasons = append(reasons, "draining")
		case !health.FullSince.IsZero():
			eng.State = "full"
			eng.Detail += fmt.Sprintf(", no room for %v", full.Round(time.Second))
			if full >= fullFor {
				reasons = append(reasons, "no room: pending is at its bound")
			}
		}
		switch {
		case health.Blocked != nil:
			sink.State = "blocked"
			sink.Detail += ": " + hclx.Redact(health.Blocked.Error(), secrets...)
			reasons = append(reasons, "the sink is blocked")
		case health.Failing != nil:
			sink.State = "failing"
			sink.Detail += ": " + hclx.Redact(health.Failing.Error(), secrets...)
		}
		s := status{Reason: strings.Join(reasons, "; "), Ready: len(reasons) == 0, Parts: []part{eng, sink}}
		for _, t := range p.transports {
			state := "ok"
			if eng.State == "draining" {
				state = "draining"
			}
			s.Parts = append(s.Parts, part{t.name, state, t.URL()})
		}
		return s
	}
}

// readyz says whether the daemon would take messages: 503 with the reason where it
// would not. JSON is for who accepts it.
func (a *adminServer) readyz(w http.ResponseWriter, r *http.Request) {
	s := a.status()
	code := http.StatusOK
	if !s.Ready {
		code = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(s)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(s.text()))
}

func (s status) text() string {
	var out strings.Builder
	if s.Ready {
		out.WriteString("ready\n")
	} else {
		fmt.Fprintf(&out, "not ready: %s\n", s.Reason)
	}
	for _, p := range s.Parts {
		fmt.Fprintf(&out, "%s: %s: %s\n", p.Name, p.State, strings.ReplaceAll(p.Detail, "\n", " "))
	}
	return out.String()
}

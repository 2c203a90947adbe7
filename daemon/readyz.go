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
	return func() status {
		health, stats := p.engine.Health(), p.engine.Stats()
		health.Draining = health.Draining || ctx.Err() != nil
		s := judge(health, time.Now())
		s.Parts[0].Detail = fmt.Sprintf("%s live, %s pending, %s of %s", count(stats.Streams, "stream"),
			count(int(stats.Pending), "message"), human(engine.Size(stats.PendingBytes)), human(d.current.Load().Router.MaxPending))
		if health.Numbers != nil {
			s.Parts[0].Detail += "; " + health.Numbers.Error()
		}
		s.Parts[1].Name += "." + d.cfg.sink.name
		s.Parts[1].Detail = strings.TrimSuffix(p.sink.String()+": "+s.Parts[1].Detail, ": ")
		for _, t := range p.transports {
			state := "ok"
			if health.Draining {
				state = "draining"
			}
			s.Parts = append(s.Parts, part{t.name, state, t.URL()})
		}
		for i := range s.Parts {
			s.Parts[i].Detail = hclx.Redact(s.Parts[i].Detail, d.cfg.secrets()...)
		}
		return s
	}
}

// judge tells from the engine's health whether messages would be taken, and the
// state of the engine and of the sink.
func judge(h engine.Health, now time.Time) status {
	eng, sink := part{Name: "engine", State: "ok"}, part{Name: "sink", State: "ok"}
	var reasons []string
	switch {
	case h.Draining:
		eng.State = "draining"
		reasons = append(reasons, "draining")
	case !h.FullSince.IsZero():
		eng.State = "full"
		why := "pending has been at its bound"
		if h.Numbers != nil {
			eng.State, why = "failing", "messages without a number have had to wait, "+h.Numbers.Error()+","
		}
		if full := now.Sub(h.FullSince); full >= fullFor {
			reasons = append(reasons, fmt.Sprintf("%s for %v", why, full.Round(time.Second)))
		}
	case h.Numbers != nil:
		eng.State = "failing"
	}
	switch {
	case h.Blocked != nil:
		sink.State, sink.Detail = "blocked", h.Blocked.Error()
		reasons = append(reasons, "the sink is blocked")
	case h.Failing != nil:
		sink.State, sink.Detail = "failing", h.Failing.Error()
	}
	return status{Ready: len(reasons) == 0, Reason: strings.Join(reasons, "; "), Parts: []part{eng, sink}}
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

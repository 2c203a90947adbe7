package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/spool"
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
	State  string `json:"state"` // ok draining full failing blocked failed
	Detail string `json:"detail"`
}

// statusOf gives the function that tells the status; ctx ends when a drain
// begins.
func (d *daemon) statusOf(ctx context.Context, p *parts) func() status {
	return func() status {
		health, stats, current := p.engine.Health(), p.engine.Stats(), d.current.Load()
		j := judge{now: time.Now()}
		if p.spool != nil {
			h := p.spool.Health()
			h.Draining = h.Draining || ctx.Err() != nil
			j.spool(h, p.spool.Stats(), current.Delivery.SpoolMax)
			health = behindSpool(health)
		}
		health.Draining = health.Draining || ctx.Err() != nil
		j.engine(health, fmt.Sprintf("%s live, %s pending, %s of %s", count(stats.Streams, "stream"),
			count(int(stats.Pending), "message"), human(engine.Size(stats.PendingBytes)), human(current.Router.MaxPending)))
		j.sink(health, "sink."+d.cfg.sink.name, p.sink.String(), p.spool != nil)
		if health.Draining {
			j.add("dead_letters", "draining")
		} else {
			j.letters(p.letters.Count(ctx))
		}
		for _, t := range p.transports {
			state := "ok"
			if health.Draining {
				state = "draining"
			}
			j.add(t.name, state, t.URL())
		}
		return j.status(d.cfg.secrets()...)
	}
}

// behindSpool is the health of an engine for which the spool waits, and no sender:
// unless there are no numbers, which the spool itself needs.
func behindSpool(h engine.Health) engine.Health {
	if h.Numbers == nil {
		h.FullSince = time.Time{}
	}
	return h
}

// judge tells from the health of the parts whether messages would be taken.
type judge struct {
	now     time.Time
	reasons []string
	parts   []part
}

func (j *judge) add(name, state string, details ...string) {
	details = slices.DeleteFunc(details, func(d string) bool { return d == "" })
	j.parts = append(j.parts, part{name, state, strings.Join(details, "; ")})
}

func (j *judge) because(format string, args ...any) {
	j.reasons = append(j.reasons, fmt.Sprintf(format, args...))
}

// full gives a reason once there has been no room for too long.
func (j *judge) full(why string, since time.Time) {
	if full := j.now.Sub(since); full >= fullFor {
		j.because("%s for %v", why, full.Round(time.Second))
	}
}

// engine judges the engine; without a spool it is what senders wait for.
func (j *judge) engine(h engine.Health, detail string) {
	state := "ok"
	switch {
	case h.Draining:
		state = "draining"
		j.because("draining")
	case !h.FullSince.IsZero():
		state = "full"
		why := "pending has been at its bound"
		if h.Numbers != nil {
			state, why = "failing", "messages without a number have had to wait, "+h.Numbers.Error()+","
		}
		j.full(why, h.FullSince)
	case h.Numbers != nil, h.DeadLetters != nil:
		state = "failing"
	}
	details := []string{detail}
	if h.Numbers != nil {
		details = append(details, h.Numbers.Error())
	}
	if h.DeadLetters != nil {
		details = append(details, "dead letters cannot be kept: "+h.DeadLetters.Error())
	}
	j.add("engine", state, details...)
}

// sink judges the sink. One that is blocked takes no messages, unless there is a
// spool to wait in.
func (j *judge) sink(h engine.Health, name, detail string, spooled bool) {
	switch {
	case h.Blocked != nil:
		j.add(name, "blocked", detail+": "+h.Blocked.Error())
		if !spooled {
			j.because("the sink is blocked")
		}
	case h.Failing != nil:
		j.add(name, "failing", detail+": "+h.Failing.Error())
	default:
		j.add(name, "ok", detail)
	}
}

// letters tells how many dead letters there are, which is no reason to take no more
// messages.
func (j *judge) letters(n int64, err error) {
	switch {
	case err != nil:
		j.add("dead_letters", "failing", err.Error())
	case n == 0:
		j.add("dead_letters", "ok", "none")
	default:
		j.add("dead_letters", "ok", count(int(n), "letter")+`: see "ingestd dead-letters list"`)
	}
}

// spool judges the spool.
func (j *judge) spool(h spool.Health, s spool.Stats, limit engine.Size) {
	detail := fmt.Sprintf("%s pending, %s of %s on disk", count(int(s.Pending), "message"), human(engine.Size(s.Bytes)), human(limit))
	switch {
	case h.Failed != nil:
		j.because("the spool failed")
		j.add("spool", "failed", detail, h.Failed.Error())
		return
	case h.Draining:
		j.add("spool", "draining", detail)
		return
	case h.Waiting != nil: // nothing gets any further until the disk takes it
		j.because("the spool cannot be written")
		j.add("spool", "failing", detail, h.Waiting.Error())
		return
	}
	state, refused := "ok", ""
	if !h.FullSince.IsZero() {
		state = "full"
		j.full("the spool has been full", h.FullSince)
	}
	if h.Refused != nil {
		state, refused = "failing", h.Refused.Error()
	}
	j.add("spool", state, detail, refused)
}

func (j *judge) status(secrets ...string) status {
	for i := range j.parts {
		j.parts[i].Detail = hclx.Redact(j.parts[i].Detail, secrets...)
	}
	return status{Ready: len(j.reasons) == 0, Reason: strings.Join(j.reasons, "; "), Parts: j.parts}
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

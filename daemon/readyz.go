package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/spool"
)

// fullFor is how long there may be no room before the daemon is not ready.
const fullFor = 5 * time.Second

// Readiness is the look as /readyz has it: whether messages would be taken.
func (l *look) Readiness() api.Readiness {
	j := judge{now: l.now}
	sink := "sink." + l.cfg.sink.name
	if l.starting {
		j.because("starting: the sink is being opened")
		j.add(sink, "opening")
		return j.readiness(l.redact)
	}
	if l.spooled {
		j.spool(l.spoolHealth, l.spool, l.cfg.Delivery.SpoolMax)
	}
	j.engine(l.health, fmt.Sprintf("%s live, %s pending, %s of %s", count(l.engine.Streams, "stream"),
		count(int(l.engine.Pending), "message"), human(engine.Size(l.engine.PendingBytes)), human(l.cfg.Router.MaxPending)))
	j.sink(l.health, l.away(), sink, l.target, l.spooled)
	if l.draining {
		j.add("dead_letters", "draining")
	} else {
		j.letters(l.letters, l.lettersErr)
	}
	for i := range l.transports {
		j.transport(&l.transports[i], l.draining)
	}
	return j.readiness(l.redact)
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
	parts   []api.Part
}

func (j *judge) add(name, state string, details ...string) {
	details = slices.DeleteFunc(details, func(d string) bool { return d == "" })
	j.parts = append(j.parts, api.Part{Name: name, State: state, Detail: strings.Join(details, "; ")})
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
func (j *judge) sink(h engine.Health, away bool, name, detail string, spooled bool) {
	switch {
	case h.Blocked != nil:
		j.add(name, "blocked", detail+": "+h.Blocked.Error())
		if !spooled {
			j.because("the sink is blocked")
		}
	case h.Failing != nil:
		j.add(name, "failing", detail+": "+h.Failing.Error())
	case away:
		j.add(name, "failing", detail+": "+errAway.Error())
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

// transport judges a transport. A feed that is away, or NATS, is no reason to take no
// more messages.
func (j *judge) transport(t *api.Transport, draining bool) {
	state, far := "ok", ""
	if t.Feeds != nil {
		far = fmt.Sprintf("%d of %s connected", *t.FeedsConnected, count(*t.Feeds, "feed"))
		if *t.FeedsConnected < *t.Feeds {
			state = "failing"
		}
	}
	if t.NATS != nil {
		far = natsText(t.NATS)
		state = t.NATS.State
	}
	if draining {
		state, far = "draining", ""
	}
	j.add(t.Name, state, t.URL, far)
}

func (j *judge) readiness(redact func(string) string) api.Readiness {
	for i := range j.parts {
		j.parts[i].Detail = redact(j.parts[i].Detail)
	}
	return api.Readiness{Ready: len(j.reasons) == 0, Reason: strings.Join(j.reasons, "; "), Parts: j.parts}
}

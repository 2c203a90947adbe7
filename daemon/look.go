package daemon

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/admin"
	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
	"github.com/ingestd/ingestd/metrics"
	"github.com/ingestd/ingestd/spool"
	"github.com/ingestd/ingestd/transport"
)

// look is how all parts are at one moment. What is told of them is made of it.
type look struct {
	now, started time.Time
	source       string
	cfg          *config
	redact       func(string) string
	level        string   // of the log, now
	restart      []string // settings that need one

	starting, draining bool
	opening            bool   // the sink is not open yet
	connected          *bool  // it is connected; nil: it cannot tell
	target, product    string // where the sink writes, and what that is

	engine engine.Stats
	health engine.Health

	spooled     bool // there is a spool
	spool       spool.Stats
	spoolHealth spool.Health

	letters, marked int64
	lettersErr      error

	transports []api.Transport
	minuteAgo  map[admin.Refusal]uint64 // what was refused until then
}

// starting is a look at a daemon that starts.
func (d *daemon) starting() *look {
	return &look{
		now: time.Now(), started: d.started, source: d.source, cfg: d.cfg, redact: d.redact, level: d.log.GetLevel().String(),
		starting: true, opening: true, target: d.cfg.sink.name, spooled: d.cfg.Delivery.Spool,
	}
}

// look looks at all parts.
func (d *daemon) look(ctx context.Context, p *parts, draining bool) *look {
	l := &look{
		now: time.Now(), started: d.started, source: d.source, cfg: d.current.Load(), redact: d.redact, level: d.log.GetLevel().String(),
		draining: draining, target: p.sink.String(), product: product(p.sink),
		engine: p.engine.Stats(), health: p.engine.Health(), spooled: p.spool != nil,
	}
	if rest := d.needRestart.Load(); rest != nil {
		l.restart = *rest
	}
	l.draining = l.draining || l.health.Draining
	if late, is := p.sink.(*lateSink); is {
		l.opening = late.sink.Load() == nil
	}
	l.connected = connected(p.sink)
	if p.spool != nil {
		l.spool, l.spoolHealth = p.spool.Stats(), p.spool.Health()
		l.draining = l.draining || l.spoolHealth.Draining
		l.health = behindSpool(l.health)
	}
	l.health.Draining, l.spoolHealth.Draining = l.draining, l.draining
	var bad error
	l.letters, l.lettersErr = p.letters.Count(ctx)
	l.marked, bad = p.letters.Marked(ctx)
	if l.lettersErr = errors.Join(l.lettersErr, bad); l.lettersErr != nil && l.draining {
		l.lettersErr = nil // they are closed, or ctx has ended
	}
	for i, t := range p.transports {
		of := transportOf(t, d.cfg.transports[i].name)
		if of.NATS != nil {
			of.NATS.Detail = d.redact(of.NATS.Detail)
		}
		l.transports = append(l.transports, of)
	}
	if p.admin != nil {
		l.minuteAgo = p.admin.MinuteAgo().Refused
	}
	return l
}

// transportOf is what a transport counts.
func transportOf(t namedTransport, kind string) api.Transport {
	a := api.Transport{Name: t.name, Kind: kind, URL: t.URL(), Errors: map[string]uint64{}}
	switch t := t.Transport.(type) {
	case webSocketCounts:
		s := t.Stats()
		a.Connections, a.Accepted, a.Refused = &s.Connections, &s.Accepted, s.Refusals
		a.Messages, a.Errors = s.Messages, s.Errors
	case httpCounts:
		s := t.Stats()
		a.Accepted, a.Refused, a.Messages, a.Errors = &s.Requests, s.Refusals, s.Messages, s.Errors
	case feedCounts:
		s := t.Stats()
		a.Feeds, a.FeedsConnected = &s.Feeds, &s.Connected
		a.Messages, a.Errors = s.Messages, s.Errors
	case metrics.NATSStats:
		a.NATS, a.Messages = natsOf(t), t.Stats().Messages
	}
	return a
}

var _ feedCounts = (*transport.WebSocketClient)(nil)

// Status is the look as /api/v1/status has it.
func (l *look) Status() api.Status {
	ready := l.Readiness()
	condition, summary := l.summary()
	flushes, retries := l.engine.Flushes, l.engine.Retries
	s := api.Status{
		Started: api.At(l.started), Config: l.source, Version: apiVersion(),
		Ready: ready.Ready, Reason: ready.Reason, Parts: ready.Parts,
		Condition: condition, Summary: l.redact(summary),
		Messages: api.Messages{
			Received: l.engine.Accepted, Stored: l.engine.Stored, Duplicates: l.engine.Duplicates,
			DeadLettered: l.engine.Refused, Fenced: l.engine.Fenced, Pending: l.engine.Pending, PendingBytes: l.engine.PendingBytes,
			MaxPending: int64(l.cfg.Router.MaxPending), Rejected: map[string]uint64{},
		},
		Streams: api.StreamCounts{
			Live: l.engine.Streams, Max: l.cfg.Router.MaxStreams, Made: l.engine.Made, Retired: l.engine.Retired,
		},
		Flushes: api.Flushes{
			Count: flushes.Count, Bytes: flushes.Bytes, Linger: flushes.Linger, Flush: flushes.Flush,
			Done: flushes.Done, Disconnect: flushes.Disconnect, Pressure: flushes.Pressure, Drain: flushes.Drain,
		},
		Writes: api.Writes{
			Groups:  l.engine.Groups,
			Retries: api.Retries{Transient: retries.Transient, Blocked: retries.Blocked, Split: retries.Split},
		},
		Transports: l.transports, Sink: l.sinkStatus(),
		DeadLetters:  api.Letters{Letters: l.letters, Marked: l.marked},
		LogLevel:     l.level,
		NeedsRestart: l.restart, ReadOnly: l.draining || l.starting,
	}
	if s.Transports == nil {
		s.Transports = []api.Transport{}
	}
	if s.NeedsRestart == nil {
		s.NeedsRestart = []string{}
	}
	for _, t := range l.transports {
		for code, n := range t.Errors {
			s.Messages.Rejected[code] += n
		}
	}
	if err := cmp.Or(l.health.DeadLetters, l.lettersErr); err != nil {
		s.DeadLetters.Error = l.redact(err.Error())
	}
	if l.spooled {
		s.Messages.Received = l.spool.Accepted
		if seedbug.Is("status-replay-is-received") {
			s.Messages.Received += l.spool.Replayed
		}
		s.Spool = &api.Spool{
			Messages: l.spool.Pending, Bytes: l.spool.Bytes, Max: int64(l.cfg.Delivery.SpoolMax),
			Segments: l.spool.Segments, Oldest: api.At(l.spool.Oldest), Corrupt: l.spool.Corrupt,
			State: l.spoolState(), Sentence: l.redact(l.spoolSentence()),
		}
	}
	return s
}

func apiVersion() api.Version {
	v := currentVersion()
	return api.Version{Version: v.Version, Commit: v.Commit, Go: v.Go}
}

// sinkStatus is how the sink is.
func (l *look) sinkStatus() api.Sink {
	s := api.Sink{Name: l.cfg.sink.name, Target: l.redact(l.target), State: l.sinkState(), Connected: l.connected, Sentence: l.redact(l.sinkSentence())}
	if since, err := l.sinkTrouble(); err != nil {
		s.Error, s.Since = l.redact(err.Error()), api.At(since)
	}
	return s
}

// sinkTrouble is what keeps the sink from storing; nil: nothing.
func (l *look) sinkTrouble() (since time.Time, err error) {
	switch {
	case l.health.Blocked != nil:
		return l.health.BlockedSince, l.health.Blocked
	case l.health.Failing == nil && l.away():
		return time.Time{}, errAway
	}
	return l.health.FailingSince, l.health.Failing
}

func (l *look) sinkState() string {
	switch {
	case l.health.Blocked != nil:
		return "blocked"
	case l.opening:
		return "opening"
	case l.health.Failing != nil, l.away():
		return "failing"
	case l.draining:
		return "draining"
	}
	return "ok"
}

func (l *look) spoolState() string {
	for _, p := range l.Readiness().Parts {
		if p.Name == "spool" {
			return p.State
		}
	}
	return "ok"
}

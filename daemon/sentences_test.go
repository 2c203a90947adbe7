package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/spool"
)

// at is a look at a daemon whose sink is called mysql.
func at(change func(l *look)) *look {
	l := &look{
		now: time.Date(2026, 11, 23, 12, 10, 0, 0, time.UTC), target: "mysql", redact: asItIs,
		cfg: &config{core: defaultCore()},
	}
	l.cfg.sink.name = "mysql"
	change(l)
	return l
}

func TestSentences(t *testing.T) {
	since := time.Date(2026, 11, 23, 12, 3, 10, 0, time.UTC)
	refused := fmt.Errorf("begin: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
	spooled := func(l *look) { l.spooled, l.spool.Pending, l.spool.Bytes = true, 48201, 3<<20 }
	for _, c := range []struct {
		want   string // of the summary
		change func(l *look)
	}{
		{"Ready. Nothing has come yet.", func(*look) {}},
		{"Everything is stored as it comes.", func(l *look) { l.engine.Accepted = 1 }},
		{"Everything is stored as it comes.", func(l *look) { l.spooled, l.spool.Accepted = true, 1 }},
		{"Everything is stored as it comes. 1 dead letter waits to be looked at.", func(l *look) { l.engine.Accepted, l.letters = 1, 1 }},
		{"Everything is stored as it comes. 1,234 dead letters wait to be looked at.", func(l *look) { l.letters = 1234 }},
		{"Starting: MySQL is being opened.", func(l *look) { l.starting, l.opening = true, true }},
		{"MariaDB has refused connections since 12:03:10 UTC; nothing waits.", func(l *look) {
			l.product, l.health.Failing, l.health.FailingSince = "MariaDB", refused, since
		}},
		{"Shutting down: MySQL is given the last messages; 7 messages wait in memory.", func(l *look) { l.draining, l.engine.Pending = true, 7 }},
		{"MySQL has refused connections since 12:03:10 UTC; 48,201 messages wait in the spool.", func(l *look) {
			spooled(l)
			l.health.Failing, l.health.FailingSince = refused, since
		}},
		{"MySQL has refused connections since 2026-11-22 12:03:10 UTC; nothing waits.", func(l *look) {
			l.health.Failing, l.health.FailingSince = refused, since.AddDate(0, 0, -1)
		}},
		{"MySQL has not answered since 12:03:10 UTC; 1 message waits in memory.", func(l *look) {
			l.engine.Pending, l.health.Failing, l.health.FailingSince = 1, fmt.Errorf("ping: %w", context.DeadlineExceeded), since
		}},
		{"The host of MySQL cannot be found: lookup db: no such host since 12:03:10 UTC; nothing waits.", func(l *look) {
			l.health.Failing, l.health.FailingSince = &net.DNSError{Err: "no such host", Name: "db"}, since
		}},
		{"MySQL has closed connections since 12:03:10 UTC; nothing waits.", func(l *look) {
			l.health.Failing, l.health.FailingSince = fmt.Errorf("read: %w", io.ErrUnexpectedEOF), since
		}},
		{"MySQL has been out of reach since 12:03:10 UTC; nothing waits.", func(l *look) {
			l.health.Failing, l.health.FailingSince = syscall.EHOSTUNREACH, since
		}},
		{`MySQL has failed, with "disk full", since 12:03:10 UTC; nothing waits.`, func(l *look) {
			l.health.Failing, l.health.FailingSince = errors.New("disk\n full. "), since
		}},
		{"MySQL has stored nothing since 12:03:10 UTC, and does not until somebody acts: no such table. 48,201 messages wait in the spool.", func(l *look) {
			spooled(l)
			l.health.Blocked, l.health.BlockedSince = errors.New("no such table"), since
		}},
		{"NATS is out of reach; nothing waits.", func(l *look) { l.cfg.sink.name, l.connected = "nats", new(bool) }},
		{"NATS has been out of reach since 12:03:10 UTC; 48,201 messages wait in the spool.", func(l *look) {
			spooled(l)
			l.cfg.sink.name, l.connected, l.health.Failing, l.health.FailingSince = "nats", new(bool), errors.New("not connected"), since
		}},
		{`NATS has failed, with "the stream ingest is full", since 12:03:10 UTC; nothing waits.`, func(l *look) {
			l.cfg.sink.name, l.health.Failing, l.health.FailingSince = "nats", errors.New("the stream ingest is full"), since
		}},
		{"NATS is out of reach of transport.nats, so nothing is read. What was read is stored.", func(l *look) {
			l.transports = []api.Transport{{Name: "transport.nats", NATS: &api.NATS{State: "failing"}}}
		}},
		{"Not all is read by transport.nats: upgrade.", func(l *look) {
			l.transports = []api.Transport{{Name: "transport.nats", NATS: &api.NATS{Connected: true, State: "failing", Detail: "upgrade"}}}
		}},
		{"1,204 carriers wait for transport.nats, the oldest for 6 minutes.", func(l *look) {
			l.transports = []api.Transport{{Name: "transport.nats", NATS: &api.NATS{Connected: true, State: "ok", Behind: 1204, Oldest: api.At(since)}}}
		}},
		{"Ready. Nothing has come yet.", func(l *look) {
			l.transports = []api.Transport{{NATS: &api.NATS{Connected: true, State: "ok", Behind: 1204, Oldest: api.At(l.now.Add(-time.Second))}}}
		}},
		{"MySQL is not open yet; 48,201 messages wait in the spool.", func(l *look) { spooled(l); l.opening = true }},
		{"The spool has failed, and nothing is taken any more: no sync.", func(l *look) {
			spooled(l)
			l.spoolHealth.Failed, l.health.Failing = errors.New("no sync"), refused
		}},
		{"The spool cannot be written, and senders wait: no space.", func(l *look) { spooled(l); l.spoolHealth.Waiting = errors.New("no space") }},
		{"The spool has been full since 12:03:10 UTC, and senders wait; 48,201 messages wait in it, 3 MiB of 10 GiB.", func(l *look) {
			spooled(l)
			l.spoolHealth.FullSince = since
		}},
		{"There has been no room since 12:03:10 UTC: senders wait. 5 messages wait in memory.", func(l *look) {
			l.engine.Pending, l.health.FullSince = 5, since
		}},
		{"No numbers can be given to messages: read only", func(l *look) { l.health.Numbers = errors.New("read only") }},
		{"Refused messages cannot be kept, and wait: locked", func(l *look) { l.health.DeadLetters = errors.New("locked") }},
		{"Of 3 feeds, 1 is connected. What comes is stored.", func(l *look) {
			feeds, connected := 3, 1
			l.transports = []api.Transport{{Feeds: &feeds, FeedsConnected: &connected}}
		}},
	} {
		if _, got := at(c.change).summary(); got != c.want {
			t.Errorf("it says  %s\nnot      %s", got, c.want)
		}
	}
	for want, change := range map[string]func(l *look){
		"Nothing waits in the spool.": func(*look) {},
		"48,201 messages wait in the spool, 3 MiB of 10 GiB, the oldest for 6 minutes.": func(l *look) {
			spooled(l)
			l.spool.Oldest = since
		},
		"A stream waits in the spool for other limits: too large.": func(l *look) { l.spoolHealth.Refused = errors.New("too large") },
	} {
		if got := at(change).spoolSentence(); got != want {
			t.Errorf("the spool: %s\nnot        %s", got, want)
		}
	}
}

// No secret is in what a status says, wherever it came from.
func TestStatusHasNoSecrets(t *testing.T) {
	l := at(func(l *look) {
		l.redact = func(text string) string { return strings.ReplaceAll(text, "hunter2", "********") }
		why := errors.New("access denied with hunter2")
		l.health = engine.Health{Blocked: why, DeadLetters: why, Numbers: why}
		l.spooled, l.spoolHealth = true, spool.Health{Refused: why}
		l.lettersErr, l.target = why, "u:hunter2@db"
	})
	if text := fmt.Sprintf("%+v", l.Status()); strings.Contains(text, "hunter2") || !strings.Contains(text, "********") {
		t.Error(text)
	}
}

// Feeds that are not connected are told of, and are no reason to be not ready.
func TestJudgeFeeds(t *testing.T) {
	for _, c := range []struct {
		connected   int
		draining    bool
		state, says string
	}{
		{0, false, "failing", "wss://x; 0 of 2 feeds connected"},
		{1, false, "failing", "wss://x; 1 of 2 feeds connected"},
		{2, false, "ok", "wss://x; 2 of 2 feeds connected"},
		{0, true, "draining", "wss://x"},
	} {
		feeds := 2
		j := judge{}
		j.transport(&api.Transport{URL: "wss://x", Feeds: &feeds, FeedsConnected: &c.connected}, c.draining)
		r := j.readiness(asItIs)
		if r.Parts[0].State != c.state || r.Parts[0].Detail != c.says || !r.Ready {
			t.Errorf("%d connected: %+v", c.connected, r)
		}
	}
}

// A stream that is not read is told of, and is no reason to be not ready; nor is a sink
// that is away.
func TestJudgeNATS(t *testing.T) {
	for _, c := range []struct {
		nats        api.NATS
		draining    bool
		state, says string
	}{
		{api.NATS{Connected: true, State: "ok", Partitions: 64, Owned: 32, Readers: 2, Behind: 1}, false, "ok", "nats x; 32 of 64 partitions, 2 readers, 1 carrier behind"},
		{api.NATS{State: "failing", Detail: "not connected to x"}, false, "failing", "nats x; not connected to x"},
		{api.NATS{Connected: true, State: "waiting", Detail: "no stream"}, false, "waiting", "nats x; no stream"},
		{api.NATS{State: "failing", Detail: "not connected"}, true, "draining", "nats x"},
	} {
		j := judge{}
		j.transport(&api.Transport{URL: "nats x", NATS: &c.nats}, c.draining)
		j.sink(engine.Health{}, true, "sink.nats", "nats x", false)
		r := j.readiness(asItIs)
		if r.Parts[0].State != c.state || r.Parts[0].Detail != c.says || !r.Ready {
			t.Errorf("%+v", r)
		}
		if r.Parts[1].State != "failing" || r.Parts[1].Detail != "nats x: it is not connected" {
			t.Errorf("the sink: %+v", r.Parts[1])
		}
	}
}

// madeBy is a sink that says what it writes to.
type madeBy struct{ testSink }

func (*madeBy) Product() string { return "MariaDB" }

// A sink is called by what it says that it writes to, once it is open.
func TestProduct(t *testing.T) {
	late := &lateSink{name: "mysql", open: func(context.Context) (Sink, error) { return &madeBy{}, nil }}
	if p := product(late); p != "" {
		t.Errorf("before it is open it is called %s", p)
	}
	if _, err := late.get(t.Context()); err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]Sink{"MariaDB": late, "": &testSink{}} {
		if p := product(s); p != want {
			t.Errorf("it is called %q, not %q", p, want)
		}
	}
}

// With a spool, what was received is what it has accepted: what it hands on again
// after a start came before.
func TestReplayIsNotReceived(t *testing.T) {
	l := at(func(l *look) {
		l.spooled, l.spool.Accepted, l.spool.Replayed = true, 5, 3
		l.engine.Accepted, l.engine.Stored = 8, 8
	})
	if m := l.Status().Messages; m.Received != 5 || m.Stored != 8 {
		t.Errorf("%d are received, %d stored", m.Received, m.Stored)
	}
}

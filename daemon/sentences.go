package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// The sentences that tell people how things are. Those that look at a status want to
// know what is wrong, since when, and what waits because of it.

// summary says the worst there is, in a word and in a sentence. The words are those
// of [api.Status].
func (l *look) summary() (condition, sentence string) {
	connected, feeds := l.feeds()
	sink := l.sinkState()
	switch {
	case l.starting:
		return "starting", "Starting: " + l.sinkSentence()
	case l.draining:
		return "draining", "Shutting down: " + l.sinkSentence()
	case l.spooled && (l.spoolHealth.Failed != nil || l.spoolHealth.Waiting != nil):
		return "failing", l.spoolSentence()
	case sink == "opening":
		return "waiting", l.sinkSentence()
	case sink != "ok":
		return sink, l.sinkSentence()
	case l.spooled && !l.spoolHealth.FullSince.IsZero():
		return "waiting", l.spoolSentence()
	case l.health.Numbers != nil:
		return "failing", "No numbers can be given to messages: " + short(l.health.Numbers)
	case !l.health.FullSince.IsZero():
		return "waiting", fmt.Sprintf("There has been no room since %s: senders wait. %s.", l.clock(l.health.FullSince), l.waiting())
	case l.health.DeadLetters != nil:
		return "failing", "Refused messages cannot be kept, and wait: " + short(l.health.DeadLetters)
	case l.lettersErr != nil:
		return "failing", "Dead letters cannot be counted: " + short(l.lettersErr)
	case l.spooled && l.spoolHealth.Refused != nil:
		return "failing", l.spoolSentence()
	case connected < feeds:
		return "failing", fmt.Sprintf("Of %s, %s connected. What comes is stored.", people(int64(feeds), "feed"), isAre(int64(connected)))
	}
	if condition, sentence := l.behind(); sentence != "" {
		return condition, sentence
	}
	if refusing := l.refusing(); refusing != "" {
		return "refusing", refusing
	}
	return "ok", l.fine()
}

// fine is what there is to say where nothing is wrong now.
func (l *look) fine() string {
	if l.letters > 0 {
		return fmt.Sprintf("Everything is stored as it comes. %s to be looked at.", wait(l.letters, "dead letter"))
	}
	if l.engine.Accepted > 0 || l.spool.Accepted > 0 {
		return "Everything is stored as it comes."
	}
	if why := l.everRefused(); why != "" {
		return fmt.Sprintf("Ready. What has come so far was refused (%s).", why)
	}
	return "Ready. Nothing has come yet."
}

// sinkSentence says how the sink is.
func (l *look) sinkSentence() string {
	name := sinkTitle(l.cfg.sink.name, l.product)
	since, err := l.sinkTrouble()
	switch {
	case l.starting:
		return name + " is being opened."
	case l.health.Blocked != nil:
		return fmt.Sprintf("%s has stored nothing since %s, and does not until somebody acts: %s. %s.",
			name, l.clock(since), short(err), l.waiting())
	case err != nil && l.away() && since.IsZero():
		return fmt.Sprintf("%s is out of reach; %s.", name, lowerFirst(l.waiting()))
	case err != nil && l.away():
		return fmt.Sprintf("%s has been out of reach since %s; %s.", name, l.clock(since), lowerFirst(l.waiting()))
	case err != nil:
		return fmt.Sprintf("%s since %s; %s.", does(name, err), l.clock(since), lowerFirst(l.waiting()))
	case l.opening:
		return fmt.Sprintf("%s is not open yet; %s.", name, lowerFirst(l.waiting()))
	case l.draining:
		return fmt.Sprintf("%s is given the last messages; %s.", name, lowerFirst(l.waiting()))
	}
	return name + " takes everything as it comes."
}

// spoolSentence says how the spool is.
func (l *look) spoolSentence() string {
	h, room := l.spoolHealth, fmt.Sprintf("%s of %s", human(engine.Size(l.spool.Bytes)), human(l.cfg.Delivery.SpoolMax))
	switch {
	case h.Failed != nil:
		return fmt.Sprintf("The spool has failed, and nothing is taken any more: %s.", short(h.Failed))
	case h.Waiting != nil:
		return fmt.Sprintf("The spool cannot be written, and senders wait: %s.", short(h.Waiting))
	case !h.FullSince.IsZero():
		return fmt.Sprintf("The spool has been full since %s, and senders wait; %s in it, %s.",
			l.clock(h.FullSince), wait(l.spool.Pending, "message"), room)
	case h.Refused != nil:
		return fmt.Sprintf("A stream waits in the spool for other limits: %s.", short(h.Refused))
	case l.spool.Pending == 0:
		return "Nothing waits in the spool."
	}
	text := fmt.Sprintf("%s in the spool, %s", wait(l.spool.Pending, "message"), room)
	if !l.spool.Oldest.IsZero() {
		text += ", the oldest for " + about(l.now.Sub(l.spool.Oldest))
	}
	return text + "."
}

// waiting says how many messages wait, and where.
func (l *look) waiting() string {
	n, where := l.engine.Pending, "in memory"
	if l.spooled {
		n, where = l.spool.Pending, "in the spool"
	}
	if n == 0 {
		return "Nothing waits"
	}
	return wait(n, "message") + " " + where
}

// feeds tells how many feeds there are, and how many are connected.
func (l *look) feeds() (connected, all int) {
	for _, t := range l.transports {
		if t.Feeds != nil {
			connected, all = connected+*t.FeedsConnected, all+*t.Feeds
		}
	}
	return connected, all
}

// clock writes a moment: its time, and the date where that is not today's.
func (l *look) clock(t time.Time) string {
	t, now := t.UTC(), l.now.UTC()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04:05 UTC")
	}
	return t.Format("2006-01-02 15:04:05 UTC")
}

// does says what a sink does that fails with err.
func does(name string, err error) string {
	var dns *net.DNSError
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return name + " has refused connections"
	case errors.As(err, &dns):
		return fmt.Sprintf("The host of %s cannot be found: %s", name, short(err))
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return name + " has not answered"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return name + " has been out of reach"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return name + " has closed connections"
	}
	return fmt.Sprintf("%s has failed, with %q,", name, short(err))
}

// product is what a sink says that it writes to; empty: nothing.
func product(s Sink) string {
	if late, is := s.(*lateSink); is {
		open := late.sink.Load()
		if open == nil {
			return ""
		}
		s = *open
	}
	if known, is := s.(interface{ Product() string }); is {
		return known.Product()
	}
	return ""
}

// sinkTitle is what people call a sink, whose product may be known.
func sinkTitle(name, product string) string {
	if product != "" {
		return product
	}
	if title, ok := map[string]string{"sqlite": "SQLite", "mysql": "MySQL", "stdout": "Standard output", "nats": "NATS"}[name]; ok {
		return title
	}
	return "The sink " + name
}

// mostShort is how much of an error stands in a sentence.
const mostShort = 200

// short writes an error on one line, without the end of a sentence.
func short(err error) string {
	text := strings.TrimRight(strings.Join(strings.Fields(err.Error()), " "), ".")
	if r := []rune(text); len(r) > mostShort {
		return string(r[:mostShort]) + "…"
	}
	return text
}

// wait says that so many things wait.
func wait(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing + " waits"
	}
	return people(n, thing) + " wait"
}

func isAre(n int64) string {
	if n == 1 {
		return "1 is"
	}
	return grouped(n) + " are"
}

// people writes a number of things for people.
func people[T int | int64 | uint64](n T, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return grouped(n) + " " + thing + "s"
}

// about writes a duration in its largest unit.
func about(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= u.unit {
			return people(int64(d/u.unit), u.name)
		}
	}
	return people(int64(max(0, d)/time.Second), "second")
}

func lowerFirst(text string) string { return strings.ToLower(text[:1]) + text[1:] }

package daemon

import (
	"errors"
	"testing"

	"github.com/ingestd/ingestd/daemon/internal/admin"
	"github.com/ingestd/ingestd/daemon/internal/api"
)

// What was refused in the last minute is the summary, with its number and its
// reason, and nothing that was refused before.
func TestRefusing(t *testing.T) {
	connections := 7
	socket := func(l *look, errors, refused map[string]uint64) {
		l.transports = append(l.transports, api.Transport{Connections: &connections, Errors: errors, Refused: refused})
	}
	ago := func(l *look, what, why string, n uint64) {
		if l.minuteAgo == nil {
			l.minuteAgo = map[admin.Refusal]uint64{}
		}
		l.minuteAgo[admin.Refusal{What: what, Why: why}] = n
	}
	for name, c := range map[string]struct {
		want, word string
		change     func(l *look)
	}{
		"every message is a conflict": {
			"Messages are refused: 100 in the last minute (conflict). What else comes is stored.", "refusing",
			func(l *look) {
				l.engine.Accepted, l.engine.Refused, l.letters = 100, 100, 100
				socket(l, map[string]uint64{"conflict": 100, "bad_json": 0}, nil)
			},
		},
		"some were refused before": {
			"Messages are refused: 1,234 in the last minute (bad_json 1,224, conflict 10). What else comes is stored.", "refusing",
			func(l *look) {
				l.engine.Refused = 60
				socket(l, map[string]uint64{"conflict": 60, "bad_json": 1225}, nil)
				ago(l, aMessage, bySink, 50)
				ago(l, aMessage, "conflict", 50)
				ago(l, aMessage, "bad_json", 1)
			},
		},
		"nobody was told": {
			"Messages are refused: 3 in the last minute (by the sink). What else comes is stored.", "refusing",
			func(l *look) { l.engine.Refused = 3; socket(l, nil, nil) },
		},
		"some were told": {
			"Messages are refused: 3 in the last minute (rejected). What else comes is stored.", "refusing",
			func(l *look) { l.engine.Refused = 3; socket(l, map[string]uint64{"rejected": 2}, nil) },
		},
		"no room for connections": {
			"50 connections were turned away in the last minute (max_connections). " +
				"There are as many as max_connections, or the limit of open files, allows. What else comes is stored.", "refusing",
			func(l *look) { socket(l, nil, map[string]uint64{"max_connections": 50, "auth": 0}) },
		},
		"all of it": {
			"Messages are refused: 2 in the last minute (conflict). 1 connection was turned away in the last minute (auth). " +
				"They have shown no token or certificate that is good. 4 requests were turned away in the last minute (origin 3, auth 1). " +
				"What else comes is stored.", "refusing",
			func(l *look) {
				socket(l, map[string]uint64{"conflict": 2}, map[string]uint64{"auth": 1})
				l.transports = append(l.transports, api.Transport{Refused: map[string]uint64{"auth": 1, "origin": 3}})
			},
		},
		"a minute later": {
			"Everything is stored as it comes. 100 dead letters wait to be looked at.", "ok",
			func(l *look) {
				l.engine.Accepted, l.engine.Refused, l.letters = 100, 100, 100
				socket(l, map[string]uint64{"conflict": 100}, map[string]uint64{"auth": 3})
				ago(l, aMessage, bySink, 100)
				ago(l, aMessage, "conflict", 100)
				ago(l, aConnection, "auth", 3)
			},
		},
		"nothing else has ever come": {
			"Ready. What has come so far was refused (bad_json).", "ok",
			func(l *look) {
				socket(l, map[string]uint64{"bad_json": 3}, nil)
				ago(l, aMessage, "bad_json", 3)
			},
		},
		"the sink is worse": {
			"MySQL has stored nothing since 12:10:00 UTC, and does not until somebody acts: no such table. Nothing waits.", "blocked",
			func(l *look) {
				l.engine.Refused, l.health.Blocked, l.health.BlockedSince = 100, errors.New("no such table"), l.now
			},
		},
	} {
		word, got := at(c.change).summary()
		if got != c.want || word != c.word {
			t.Errorf("%s: it is %s, and says\n  %s\nnot %s\n  %s", name, word, got, c.word, c.want)
		}
	}
}

// The word of a status is of the same as its sentence.
func TestCondition(t *testing.T) {
	broken := errors.New("broken")
	for word, changes := range map[string][]func(l *look){
		"ok":       {func(*look) {}, func(l *look) { l.letters = 3 }},
		"starting": {func(l *look) { l.starting, l.opening = true, true }},
		"draining": {func(l *look) { l.draining, l.health.Blocked = true, broken }},
		"blocked":  {func(l *look) { l.health.Blocked = broken }},
		"waiting": {
			func(l *look) { l.opening = true },
			func(l *look) { l.health.FullSince = l.now },
			func(l *look) { l.spooled, l.spoolHealth.FullSince = true, l.now },
		},
		"failing": {
			func(l *look) { l.health.Failing = broken },
			func(l *look) { l.health.Numbers, l.health.FullSince = broken, l.now },
			func(l *look) { l.health.DeadLetters = broken },
			func(l *look) { l.lettersErr = broken },
			func(l *look) { l.spooled, l.spoolHealth.Failed, l.health.Blocked = true, broken, broken },
			func(l *look) { l.spooled, l.spoolHealth.Waiting = true, broken },
			func(l *look) { l.spooled, l.spoolHealth.Refused = true, broken },
		},
	} {
		for i, change := range changes {
			if s := at(change).Status(); s.Condition != word || s.Summary == "" {
				t.Errorf("%s %d: it is %s: %s", word, i, s.Condition, s.Summary)
			}
		}
	}
}

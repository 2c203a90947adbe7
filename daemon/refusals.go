package daemon

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ingestd/ingestd/daemon/internal/admin"
	"github.com/ingestd/ingestd/daemon/internal/api"
)

// What is refused: messages, and those that wanted to connect or to post.
const (
	aMessage    = "message"
	aConnection = "connection"
	aRequest    = "request"
)

// bySink is the reason for which a message becomes a dead letter. Who sent it may
// have had an error answer for it, too.
const bySink = "by the sink"

// toldBySink are the codes of error answers about dead letters.
var toldBySink = []string{"conflict", "rejected"}

// refusals counts what was refused since the start, by what and why.
func refusals(transports []api.Transport, deadLettered uint64) map[admin.Refusal]uint64 {
	all := map[admin.Refusal]uint64{{What: aMessage, Why: bySink}: deadLettered}
	for _, t := range transports {
		for code, n := range t.Errors {
			all[admin.Refusal{What: aMessage, Why: code}] += n
		}
		what := aRequest
		if t.Connections != nil {
			what = aConnection
		}
		for reason, n := range t.Refused {
			all[admin.Refusal{What: what, Why: reason}] += n
		}
	}
	return all
}

// refused counts what was refused in the last minute.
func (l *look) refused(what string) (sum uint64, why []counted) {
	dead, told := uint64(0), uint64(0)
	for r, n := range refusals(l.transports, l.engine.Refused) {
		n -= min(n, l.minuteAgo[r])
		switch {
		case r.What != what || n == 0:
			continue
		case r.Why == bySink:
			dead = n
			continue
		case slices.Contains(toldBySink, r.Why):
			told += n
		}
		sum += n
		why = append(why, counted{r.Why, n})
	}
	// Of dead letters nobody else tells that come from feeds, or after an ack of the
	// spool.
	if dead > told {
		sum += dead - told
		if told == 0 {
			why = append(why, counted{bySink, dead})
		}
	}
	slices.SortFunc(why, func(a, b counted) int {
		return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.name, b.name))
	})
	return sum, why
}

// refusalHints say what a reason means, for which somebody was turned away.
var refusalHints = map[string]string{
	"max_connections":             "There are as many as max_connections, or the limit of open files, allows.",
	"max_connections_per_address": "Some addresses have as many as max_connections_per_address allows.",
	"origin":                      "They are of web pages that origins does not list.",
	"auth":                        "They have shown no token or certificate that is good.",
}

// refusing says what was refused in the last minute; empty: nothing.
func (l *look) refusing() string {
	var said []string
	if n, why := l.refused(aMessage); n > 0 {
		said = append(said, fmt.Sprintf("Messages are refused: %s in the last minute (%s).", grouped(n), reasons(why)))
	}
	for _, what := range []string{aConnection, aRequest} {
		n, why := l.refused(what)
		if n == 0 {
			continue
		}
		were := "were"
		if n == 1 {
			were = "was"
		}
		said = append(said, fmt.Sprintf("%s %s turned away in the last minute (%s).", people(n, what), were, reasons(why)))
		if hint := refusalHints[why[0].name]; hint != "" && len(why) == 1 {
			said = append(said, hint)
		}
	}
	if said == nil {
		return ""
	}
	return strings.Join(append(said, "What else comes is stored."), " ")
}

// reasons lists reasons, with how often there was each where there are several.
func reasons(why []counted) string {
	if len(why) == 1 {
		return why[0].name
	}
	byName := make(map[string]uint64, len(why))
	for _, c := range why {
		byName[c.name] = c.n
	}
	return counts(most3(byName))
}

// everRefused tells why messages were refused since the start; empty: none was.
func (l *look) everRefused() string {
	since := *l
	since.minuteAgo = nil
	_, why := since.refused(aMessage)
	if len(why) == 0 {
		return ""
	}
	return reasons(why)
}

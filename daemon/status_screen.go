package daemon

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
)

// labelWidth is where the values of a status screen begin.
const labelWidth = 14

// mostTransports is how many transports a status screen shows.
const mostTransports = 3

// statusScreen is a status for people: at most 23 lines of width characters; width
// 0: as long as they are.
type statusScreen struct {
	width int
	lines []textLine
}

// add adds a line with a label, which may be empty.
func (s *statusScreen) add(label string, value ...piece) {
	label = printable(label, 24)
	gap := strings.Repeat(" ", max(1, labelWidth-utf8.RuneCountInString(label)))
	s.lines = append(s.lines, append(textLine{{dim, label + gap}}, value...))
}

func (s *statusScreen) say(label, format string, args ...any) {
	s.add(label, piece{plain, printable(fmt.Sprintf(format, args...), maxLine)})
}

// screenOf shows a status of the daemon at url. trouble is why it is not of this
// moment; empty: it is.
func screenOf(st *api.Status, url, trouble string, width int) []textLine {
	s := &statusScreen{width: width}
	s.head(st, trouble)
	s.lines = append(s.lines, textLine{{dim, printable(fmt.Sprintf("ingestd %s, up %s, %s, %s",
		st.Version.Version, rough(st.Now.Sub(st.Started.Time)), st.Config, url), maxLine)}}, nil)
	s.messages(st)
	s.latency(st)
	s.say("streams", "%s live of %s; %s made, %s forgotten",
		grouped(st.Streams.Live), grouped(st.Streams.Max), grouped(st.Streams.Made), grouped(st.Streams.Retired))
	f := st.Flushes
	s.say("flushes", "%s", counts([]counted{
		{"count", f.Count},
		{"bytes", f.Bytes},
		{"linger", f.Linger},
		{"flush", f.Flush},
		{"done", f.Done},
		{"disconnect", f.Disconnect},
		{"pressure", f.Pressure},
		{"drain", f.Drain},
	}))
	s.say("writes", "%s; tried again: %s", people(st.Writes.Groups, "group"), counts([]counted{
		{"transient", st.Writes.Retries.Transient}, {"blocked", st.Writes.Retries.Blocked}, {"split", st.Writes.Retries.Split},
	}))
	s.transports(st)
	s.state("sink", st.Sink.State, cmp.Or(st.Sink.Sentence, st.Sink.Target))
	if st.Spool != nil {
		s.spool(st)
	}
	s.letters(st)
	if len(st.NeedsRestart) > 0 {
		s.add("needs restart", piece{yellow, printable(strings.Join(st.NeedsRestart, ", "), maxLine)})
	}
	return s.lines
}

// head says how it is, in a sentence.
func (s *statusScreen) head(st *api.Status, trouble string) {
	word, look := "ready", green
	text := st.Summary
	switch {
	case trouble != "":
		word, look, text = "unreachable", red, trouble
	case !st.Ready:
		word, look = "not ready", red
		text = cmp.Or(text, st.Reason)
	case st.Condition == "refusing":
		word, look = "refusing", yellow
	}
	for i, line := range wrap(printable(text, maxLine), s.width-labelWidth, 2) {
		if i == 0 {
			s.lines = append(s.lines, textLine{{look, fmt.Sprintf("%-*s", labelWidth, word)}, {bold, line}})
		} else {
			s.add("", piece{bold, line})
		}
	}
}

func (s *statusScreen) messages(st *api.Status) {
	m := st.Messages
	s.say("received", "%-19s %s a second", grouped(m.Received), amount(st.Rates.Received))
	s.say("stored", "%-19s %s a second; %s, %s", grouped(m.Stored), amount(st.Rates.Stored),
		people(m.Duplicates, "duplicate"), people(m.DeadLettered, "dead letter"))
	if not := counts(most3(m.Rejected)); not != nothing {
		s.say("not taken", "%s", not)
	}
	waiting := fmt.Sprintf("%s, %s of %s", people(m.Pending, "message"), human(engine.Size(m.PendingBytes)), human(engine.Size(m.MaxPending)))
	look := plain
	if m.MaxPending > 0 && m.PendingBytes >= m.MaxPending/8*7 {
		look = yellow
	}
	s.add("waiting", piece{look, waiting})
}

func (s *statusScreen) latency(st *api.Status) {
	row := func(label, what string, p api.Percentiles, note string) {
		s.say(label, "%-20s p50 %-9s p99 %-9s %s", what, lasting(p.P50), lasting(p.P99), note)
	}
	row("latency", "receipt to stored", st.Latency.Stored, "last minute")
	row("", "a write of the sink", st.Latency.Write, "")
	if st.Spool != nil {
		row("", "a sync of the spool", st.Latency.Sync, "")
	}
}

func (s *statusScreen) transports(st *api.Status) {
	shown := st.Transports
	if len(shown) > mostTransports {
		shown = shown[:mostTransports]
	}
	for _, t := range shown {
		s.say(strings.TrimPrefix(t.Name, "transport."), "%s", transportText(&t))
	}
	if more := len(st.Transports) - len(shown); more > 0 {
		s.say("", "and %d more", more)
	}
}

func transportText(t *api.Transport) string {
	var text []string
	if t.Feeds != nil && t.FeedsConnected != nil && *t.Feeds > 0 {
		text = append(text, fmt.Sprintf("%d of %d feeds connected", *t.FeedsConnected, *t.Feeds))
	} else if t.NATS != nil {
		text = append(text, natsText(t.NATS))
	} else if t.Connections != nil {
		text = append(text, grouped(*t.Connections)+" connected")
	}
	text = append(text, people(t.Messages, "message"))
	if refused := counts(most3(t.Refused)); refused != nothing {
		text = append(text, "refused: "+refused)
	}
	if errors := counts(most3(t.Errors)); errors != nothing {
		text = append(text, "errors: "+errors)
	}
	return strings.Join(append(text, t.URL), ", ")
}

// state adds a line about a part, its state first.
func (s *statusScreen) state(label, state, sentence string) {
	look := yellow
	switch state {
	case "ok":
		look = green
	case "blocked", "failed":
		look = red
	}
	s.add(label, piece{look, printable(state, 12)}, piece{plain, "  " + printable(sentence, maxLine)})
}

func (s *statusScreen) spool(st *api.Status) {
	text := fmt.Sprintf("%s, %s of %s", people(st.Spool.Messages, "message"), human(engine.Size(st.Spool.Bytes)), human(engine.Size(st.Spool.Max)))
	if !st.Spool.Oldest.IsZero() {
		text += ", the oldest " + rough(st.Now.Sub(st.Spool.Oldest.Time)) + " old"
	}
	if st.Spool.Corrupt > 0 {
		text += fmt.Sprintf("; %s", people(st.Spool.Corrupt, "damaged record"))
	}
	if st.Spool.State != "ok" {
		text = strings.TrimSuffix(st.Spool.Sentence, ".") + "; " + text
	}
	s.state("spool", st.Spool.State, text)
}

func (s *statusScreen) letters(st *api.Status) {
	l := st.DeadLetters
	switch {
	case l.Error != "":
		s.state("dead letters", "failing", l.Error)
	case l.Letters == 0:
		s.say("dead letters", "none")
	default:
		text := grouped(l.Letters)
		if l.Marked > 0 {
			text += ", " + grouped(l.Marked) + " to be sent again"
		}
		s.add("dead letters", piece{yellow, text}, piece{plain, `; see "ingestd dead-letters list"`})
	}
}

// counted is how many of something there are.
type counted struct {
	name string
	n    uint64
}

// nothing is what counts says where there is nothing.
const nothing = "none"

// counts lists those that there are.
func counts(all []counted) string {
	var out []string
	for _, c := range all {
		if c.n > 0 {
			out = append(out, c.name+" "+grouped(c.n))
		}
	}
	if len(out) == 0 {
		return nothing
	}
	return strings.Join(out, ", ")
}

// most3 gives the three greatest of m, and the sum of the others.
func most3(m map[string]uint64) []counted {
	var all []counted
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, counted{name, m[name]})
	}
	slices.SortStableFunc(all, func(a, b counted) int { return cmp.Compare(b.n, a.n) })
	if len(all) <= 4 {
		return all
	}
	rest := counted{name: "others"}
	for _, c := range all[3:] {
		rest.n += c.n
	}
	return append(all[:3], rest)
}

// grouped writes a number with its thousands apart.
func grouped[T int | int64 | uint64](n T) string {
	text := strconv.FormatInt(int64(n), 10)
	if uint64(n) > math.MaxInt64 && n > 0 {
		text = strconv.FormatUint(uint64(n), 10)
	}
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	var out strings.Builder
	for i, digit := range text {
		if i > 0 && (len(text)-i)%3 == 0 {
			out.WriteByte(',')
		}
		out.WriteRune(digit)
	}
	return sign + out.String()
}

// amount writes a rate.
func amount(n api.Number) string {
	switch f := float64(n); {
	case !n.Known():
		return "–"
	case f != 0 && math.Abs(f) < 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	default:
		return grouped(int64(math.Round(f)))
	}
}

// lasting writes a latency.
func lasting(seconds api.Number) string {
	if !seconds.Known() {
		return "–"
	}
	f := float64(seconds)
	for _, u := range []struct {
		size float64
		name string
	}{{1, "s"}, {1e-3, "ms"}} {
		if f >= u.size {
			digits := 0
			if f < 9.95*u.size {
				digits = 1
			}
			return strconv.FormatFloat(f/u.size, 'f', digits, 64) + " " + u.name
		}
	}
	return strconv.FormatFloat(f*1e6, 'f', 0, 64) + " µs"
}

// rough writes a duration by its two greatest units.
func rough(d time.Duration) string {
	d = max(0, d)
	switch days := d / (24 * time.Hour); {
	case days > 0:
		return fmt.Sprintf("%dd %dh", days, d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

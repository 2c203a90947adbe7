package drill

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is the outcome of a drill.
type Report struct {
	OK      bool   `json:"ok"` // nothing is wrong, and the drill proves something
	Verdict        // what the judge found
	Kills   int    `json:"kills"`   // how often the daemon was killed
	Sink    string `json:"sink"`    // the kind of database
	Spool   bool   `json:"spool"`   // messages went to the daemon's disk first, and were acked then
	Run     Run    `json:"run"`     // what the payloads and the tables are named by
	Seed    uint64 `json:"seed"`    // repeats the same choices
	Kept    string `json:"kept"`    // where the files are left; empty: nowhere
	Stopped bool   `json:"stopped"` // ended early, by a signal

	Seconds         float64 `json:"seconds"`          // how long clients were at work
	RecoverySeconds float64 `json:"recovery_seconds"` // the longest time from a start to ready

	Problems []string `json:"problems"` // what else went wrong; never null
	Void     []string `json:"void"`     // why it proves nothing; never null
}

func (r *Report) problem(err error) {
	if err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
}

// end decides whether it is fine.
func (r *Report) end(minAcked int64) {
	if r.Acked < minAcked {
		r.void("%d messages were acked; fewer than %d prove nothing", r.Acked, minAcked)
	}
	if r.Kills == 0 {
		r.void("the daemon was never killed")
	}
	r.OK = r.Fine() && len(r.Problems) == 0 && len(r.Void) == 0
}

func (r *Report) void(format string, args ...any) {
	r.Void = append(r.Void, fmt.Sprintf(format, args...))
}

// Write writes it for a person.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	number := func(name string, n int64, what string) { _, _ = fmt.Fprintf(table, "%s\t%d\t%s\n", name, n, what) }
	number("sent", r.Sent, "some by a client that sends nothing twice: its last before a kill are not acked")
	number("acked", r.Acked, "these must be stored")
	number("stored", r.Stored, "these must have been sent")
	number("lost", r.Lost, "acked, and not stored")
	number("duplicated", r.Duplicated, "stored more than once")
	number("out of order", r.OutOfOrder, "stored before an earlier one of the same client and id")
	number("altered", r.Altered, "not byte for byte what was sent")
	number("unexpected", r.Unexpected, "stored, and never sent")
	number("refused", r.Refused, "refused for good, with nothing wrong in them")
	number("miscounted", r.Miscounted, "streams whose row does not fit their messages")
	_ = table.Flush()
	rate := 0.0
	if r.Seconds > 0 {
		rate = float64(r.Acked) / r.Seconds
	}
	_, _ = fmt.Fprintf(&b, "\n%d kills in %v; ready again after %v at the most; %.0f messages acked a second\n",
		r.Kills, seconds(r.Seconds), seconds(r.RecoverySeconds), rate)
	for _, p := range r.Problems {
		_, _ = fmt.Fprintf(&b, "problem: %s\n", p)
	}
	for _, v := range r.Void {
		_, _ = fmt.Fprintf(&b, "void: %s\n", v)
	}
	if r.Kept != "" {
		_, _ = fmt.Fprintf(&b, "kept: %s\n", r.Kept)
	}
	_, _ = fmt.Fprintf(&b, "%s\n", r.outcome())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) outcome() string {
	switch {
	case r.OK:
		return "passed: nothing was lost, duplicated, reordered or altered"
	case r.Fine() && len(r.Problems) == 0:
		return "void: nothing was found, but nothing is proven"
	}
	return fmt.Sprintf("FAILED; --seed %d makes the same choices again", r.Seed)
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}

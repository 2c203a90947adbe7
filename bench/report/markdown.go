package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Begin and End enclose, in a document, what Markdown writes.
const (
	Begin = "<!-- bench: what follows is written by make bench -->"
	End   = "<!-- bench: end -->"
)

// Markdown is the report as a part of a document.
func (r *Report) Markdown() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "Measured on %s at commit `%s`: %d cores of %s, %.0f GB of memory, Linux %s, %s",
		m.Date, m.Commit, m.Cores, m.CPU, float64(m.Memory)/1e9, m.Kernel, m.Go)
	if m.MariaDB != "" {
		fmt.Fprintf(&b, ", MariaDB %s", m.MariaDB)
	}
	if m.NATS != "" {
		fmt.Fprintf(&b, ", nats-server %s", m.NATS)
	}
	fmt.Fprintf(&b, ", SQLite %s. %d rounds of about %g s for each row.\n", m.SQLite, r.Rounds, r.Seconds)
	if r.Quick {
		b.WriteString("\nThis was the quick run, which measures less, and less exactly.\n")
	}
	b.WriteString("\n### Targets\n\n| what | target | measured | |\n| --- | --- | --- | --- |\n")
	for _, t := range r.Targets {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t.What, t.Want, t.Got, t.verdict())
	}
	r.hops(&b)
	for i := range r.Rows {
		row := &r.Rows[i]
		if i == 0 || r.Rows[i-1].Block != row.Block {
			row.head(&b, r.columns())
		}
		fmt.Fprintf(&b, "| %s | %s |\n", row.Title, strings.Join(row.cells(r.columns()), " | "))
	}
	r.fates(&b)
	return b.String()
}

func (t *Target) verdict() string {
	if t.Verdict == Missed {
		return "**not met**"
	}
	return string(t.Verdict)
}

func (r *Row) head(b *strings.Builder, columns []column) {
	fmt.Fprintf(b, "\n### %s\n\n| ", r.Heading)
	for _, c := range columns {
		fmt.Fprintf(b, "| %s ", c.name)
	}
	b.WriteString("|\n| --- " + strings.Repeat("| ---: ", len(columns)) + "|\n")
}

// hops are what the parts of a longer way add.
func (r *Report) hops(b *strings.Builder) {
	if len(r.Hops) == 0 {
		return
	}
	b.WriteString("\n### What a hop adds\n\n| | against | CPU a message, µs more | × |\n| --- | --- | ---: | ---: |\n")
	for _, h := range r.Hops {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", h.What, h.Against, number(h.More, 2), number(h.Times, 2))
	}
}

// fates are what became of the messages of the ladder.
func (r *Report) fates(b *strings.Builder) {
	first := true
	for i := range r.Rows {
		row := &r.Rows[i]
		if len(row.Samples) == 0 || row.Samples[0].Ladder == nil {
			continue
		}
		if first {
			b.WriteString("\n### What became of the messages of the ladder\n\nOf its first round.\n\n" +
				"| | sent | stored | lost | doubled | out of order | deadlocks | lock waits | other errors | |\n" +
				"| --- " + strings.Repeat("| ---: ", 8) + "| --- |\n")
			first = false
		}
		f := row.Samples[0].Ladder
		fmt.Fprintf(b, "| %s |", row.Title)
		for _, n := range []int64{f.Stored + f.Lost, f.Stored, f.Lost, f.Doubled, f.OutOfOrder, f.Deadlocks, f.LockWaits, f.Errors} {
			fmt.Fprintf(b, " %s |", number(float64(n), 0))
		}
		fmt.Fprintf(b, " %s |\n", f.Died)
	}
}

// Insert puts text between the marks of the document at path.
func Insert(path, text string) error {
	document, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(document, []byte(Begin))
	_, after, ended := bytes.Cut(rest, []byte(End))
	if !ok || !ended {
		return errors.New(path + " has no marks to write between")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s%s\n\n%s\n%s%s", before, Begin, text, End, after)
	return os.WriteFile(path, b.Bytes(), 0o644)
}

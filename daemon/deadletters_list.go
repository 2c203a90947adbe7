package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/engine"
)

// tableLimit is how many letters a table has where nobody says.
const tableLimit = 100

type lettersList struct {
	remote        `embed:""`
	lettersFilter `embed:""`
	Limit         *int `placeholder:"N" help:"At most so many, the first ones; 0: all. Otherwise 100 in a table, all with --json."`
	JSON          bool `name:"json" help:"Everything, as a JSON object a line."`
}

func (c *lettersList) Run(a *app) error {
	filter := c.filter()
	if !c.JSON {
		filter.Limit = tableLimit
	}
	if c.Limit != nil {
		if filter.Limit = *c.Limit; filter.Limit < 0 {
			return wrong(fmt.Errorf("--limit must not be negative, not %d", filter.Limit))
		}
	}
	return a.withLetters(&c.remote, c.JSON, func(ctx context.Context, s *letters) error {
		out := bufio.NewWriter(a.stdout)
		show := listTable
		if c.JSON {
			show = listJSON
		}
		return errors.Join(show(ctx, out, s, filter), out.Flush())
	})
}

func listJSON(ctx context.Context, out io.Writer, s *letters, filter deadletters.Filter) error {
	var errs []error
	var line []byte
	for l, err := range s.List(ctx, filter) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l = s.redacted(l)
		line = append(api.AppendLetterLine(line[:0], &l), '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

// The columns of the table, and how many characters of each are shown. The last one
// is as wide as it is.
var (
	lettersHead  = []string{"NUMBER", "ID", "SEQ", "CLIENT", "REFUSED", "CODE", "REASON"}
	lettersWidth = []int{12, 32, 19, 24, 20, 16, 120}
)

// listTable writes letters for people. Columns are as wide as the first of them
// need.
func listTable(ctx context.Context, out io.Writer, s *letters, filter deadletters.Filter) error {
	total, err := s.Count(ctx)
	if err != nil {
		return err
	}
	if total == 0 {
		fmt.Fprintln(out, "No dead letters.")
		return nil
	}
	t := table{out: out, rows: [][]string{lettersHead}}
	shown := 0
	var errs []error
	for l, err := range s.List(ctx, filter) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l = s.redacted(l)
		t.add(letterCells(&l))
		shown++
	}
	t.flush()
	all := int(total)
	matching, err := s.CountOf(ctx, withoutLimit(filter))
	errs = append(errs, err)
	switch n := int(matching); {
	case n == 0 && shown == 0:
		fmt.Fprintf(out, "None of %s matches.\n", count(all, "dead letter"))
	case n == all && shown >= all:
		fmt.Fprintf(out, "\n%s.\n", count(all, "dead letter"))
	case n == all:
		fmt.Fprintf(out, "\n%d of %s; --limit 0 shows all.\n", shown, count(all, "dead letter"))
	case shown >= n:
		fmt.Fprintf(out, "\n%d match, of %s.\n", n, count(all, "dead letter"))
	default:
		fmt.Fprintf(out, "\n%d of %d that match, of %s; --limit 0 shows all.\n", shown, n, count(all, "dead letter"))
	}
	return errors.Join(errs...)
}

func withoutLimit(f deadletters.Filter) deadletters.Filter {
	f.Limit = 0
	return f
}

func letterCells(l *deadletters.Letter) []string {
	m := &l.Message
	seq := fmt.Sprint(m.Seq)
	if m.Kind == engine.Done {
		if seq = "done"; m.Seq > 0 {
			seq = fmt.Sprintf("done %d", m.Seq)
		}
	}
	return []string{
		fmt.Sprint(l.Number), m.ID, seq, m.Client, l.Refused.UTC().Format("2006-01-02T15:04:05Z"), l.Code, l.Reason,
	}
}

// table lines cells up. Its columns are as wide as its first rows need.
type table struct {
	out    io.Writer
	rows   [][]string // those that wait until the widths are known
	widths []int      // nil: not known yet
}

func (t *table) add(cells []string) {
	for i := range cells {
		cells[i] = printable(cells[i], lettersWidth[i])
	}
	if t.widths != nil {
		t.write(cells)
		return
	}
	if t.rows = append(t.rows, cells); len(t.rows) > tableLimit {
		t.flush()
	}
}

// flush writes the rows that wait, if one of them is more than the head.
func (t *table) flush() {
	if t.widths != nil || len(t.rows) < 2 {
		return
	}
	t.widths = make([]int, len(lettersHead))
	for _, row := range t.rows {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range t.rows {
		t.write(row)
	}
}

func (t *table) write(cells []string) {
	var line strings.Builder
	for i, cell := range cells {
		line.WriteString(cell)
		if i < len(cells)-1 {
			line.WriteString(strings.Repeat(" ", max(0, t.widths[i]-utf8.RuneCountInString(cell))+2))
		}
	}
	fmt.Fprintln(t.out, strings.TrimRight(line.String(), " "))
}

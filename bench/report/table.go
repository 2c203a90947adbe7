package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// columns are those of the table.
var columns = []struct {
	name   string
	digits int
	of     Measure
}{
	{"messages/s", 0, Rate},
	{"daemon µs", 2, DaemonCPU},
	{"client µs", 2, ClientCPU},
	{"database µs", 2, DatabaseCPU},
	{"memory MB", 0, PeakMB},
	{"p50 ms", 1, P50},
	{"p99 ms", 1, P99},
	{"objects", 2, Objects},
}

// Table writes the rows for a terminal, and then the targets.
func (r *Report) Table(w io.Writer) error {
	rows := r.Rows
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i := range rows {
		r := &rows[i]
		if i == 0 || rows[i-1].Block != r.Block {
			if i > 0 {
				fmt.Fprintln(t)
			}
			fmt.Fprintf(t, "%s", r.Block)
			for _, c := range columns {
				fmt.Fprintf(t, "\t%s", c.name)
			}
			fmt.Fprintln(t, "\t")
		}
		fmt.Fprintf(t, "%s\t%s\t\n", r.Title, strings.Join(r.cells(), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, t := range r.Targets {
		fmt.Fprintf(w, "%-12s  %s: %s\n              %s\n", t.Verdict, t.What, t.Want, t.Got)
	}
	return nil
}

// cells are the medians of a row, empty where nothing was measured.
func (r *Row) cells() []string {
	cells := make([]string, len(columns))
	for i, c := range columns {
		if v := r.Median(c.of); v != 0 {
			cells[i] = number(v, c.digits)
		}
	}
	return cells
}

// number writes v with so many digits behind the point, and commas between
// thousands.
func number(v float64, digits int) string {
	s := fmt.Sprintf("%.*f", digits, v)
	whole, fraction, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return whole
}

package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// column is one of the table.
type column struct {
	name   string
	digits int
	of     Measure
}

// columns are those of every table, and natsColumns those of one with NATS in it.
var columns, natsColumns = []column{
	{"messages/s", 0, Rate},
	{"daemon µs", 2, DaemonCPU},
	{"client µs", 2, ClientCPU},
	{"database µs", 2, DatabaseCPU},
	{"memory MB", 0, PeakMB},
	{"p50 ms", 1, P50},
	{"p99 ms", 1, P99},
	{"objects", 2, Objects},
}, []column{
	{"messages/s", 0, Rate},
	{"daemon µs", 2, DaemonCPU},
	{"NATS µs", 2, NATSCPU},
	{"writer µs", 2, WriterCPU},
	{"database µs", 2, DatabaseCPU},
	{"sum µs", 2, ServerCPU},
	{"client µs", 2, ClientCPU},
	{"p50 ms", 1, P50},
	{"p99 ms", 1, P99},
	{"messages a carrier", 0, PerCarrier},
	{"bytes a message", 0, StreamBytes},
}

func (r *Report) columns() []column {
	if r.NATS {
		return natsColumns
	}
	return columns
}

// Table writes the rows for a terminal, and then the targets.
func (r *Report) Table(w io.Writer) error {
	rows := r.Rows
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i := range rows {
		row := &rows[i]
		if i == 0 || rows[i-1].Block != row.Block {
			if i > 0 {
				fmt.Fprintln(t)
			}
			fmt.Fprintf(t, "%s", row.Block)
			for _, c := range r.columns() {
				fmt.Fprintf(t, "\t%s", c.name)
			}
			fmt.Fprintln(t, "\t")
		}
		fmt.Fprintf(t, "%s\t%s\t\n", row.Title, strings.Join(row.cells(r.columns()), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, h := range r.Hops {
		fmt.Fprintf(w, "%s, against %s: %s µs more (%s × %s)\n", h.What, h.Against, number(h.More, 2), number(h.Times, 2), number(h.Base, 2))
	}
	for _, t := range r.Targets {
		fmt.Fprintf(w, "%-12s  %s: %s\n              %s\n", t.Verdict, t.What, t.Want, t.Got)
	}
	return nil
}

// cells are the medians of a row, empty where nothing was measured.
func (r *Row) cells(columns []column) []string {
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

package report

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// bar is one line of a chart. Its parts stand one behind the other.
type bar struct {
	label string
	parts []part
	note  string // behind the bar
}

type part struct {
	value float64
	class string
}

// chart is a picture of bars, on one scale.
type chart struct {
	title string
	bars  []bar
}

// The measures of the picture, in pixels.
const (
	chartWidth = 820
	labelWidth = 290
	noteWidth  = 120
	barHeight  = 20
	barGap     = 8
	titleGap   = 44
)

// style has colors for light and dark pages.
const style = `text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:15px}
.note{fill:#59636e}.limit{fill:#8c959f}.daemon{fill:#0969da}.database{fill:#54aeff}.other{fill:#bc4c00}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.note{fill:#9198a1}.limit{fill:#656c76}.daemon{fill:#1f6feb}
.database{fill:#79c0ff}.other{fill:#db6d28}}`

// Chart draws what the report says most about: the CPU of a message against the
// limit, and the rates against the designs of the ladder.
func (r *Report) Chart(w io.Writer) error {
	charts := []chart{r.costs(), r.rates()}
	height := 8
	for _, c := range charts {
		if len(c.bars) > 0 {
			height += titleGap + len(c.bars)*(barHeight+barGap)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" role="img">`+
		"\n<style>%[3]s</style>\n", chartWidth, height, style)
	y := 0
	for _, c := range charts {
		y = c.draw(&b, y)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// costs is the CPU of a message, in microseconds.
func (r *Report) costs() chart {
	c := chart{title: "CPU a message, µs (blue: daemon, light blue: database; grey: the limit)"}
	limit := func(label, block string, of Measure, names ...string) {
		b := bar{label: label}
		sum := 0.0
		for _, name := range names {
			row := r.row(block, name)
			if row == nil {
				return
			}
			v := row.Median(of)
			b.parts = append(b.parts, part{v, "limit"})
			sum += v
		}
		b.note = number(sum, 1)
		c.bars = append(c.bars, b)
	}
	ours := func(label, block, name string) {
		if row := r.row(block, name); row != nil {
			daemon, database := row.Median(DaemonCPU), row.Median(DatabaseCPU)
			c.bars = append(c.bars, bar{label, []part{{daemon, "daemon"}, {database, "database"}}, number(daemon+database, 1)})
		}
	}
	limit("bare read loop and decoder", "receive", DaemonCPU, "read-decode")
	ours("websocket to discard", "receive", "discard")
	limit("read loop, decoder, bulk insert: SQLite", "sqlite", DaemonCPU, "read-decode", "bulk-10")
	ours("websocket to SQLite", "sqlite", "sqlite")
	ours("websocket to SQLite, spool", "sqlite", "sqlite-spool")
	limit("read loop, decoder, bulk insert: MariaDB", "mariadb", ServerCPU, "read-decode", "bulk-10")
	ours("websocket to MariaDB", "mariadb", "mariadb")
	ours("websocket to MariaDB, spool", "mariadb", "mariadb-spool")
	return c
}

// rates are the messages a second of the ladder, and of ours beside them.
func (r *Report) rates() chart {
	c := chart{title: "Messages a second into MariaDB (orange: the designs before)"}
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Block != "ladder" {
			continue
		}
		class, note := "daemon", ""
		if f := row.Samples[0].Ladder; f != nil {
			class = "other"
			if f.Died != "" {
				note = "it died"
			} else if f.Lost > 0 || f.OutOfOrder > 0 || f.Doubled > 0 {
				note = " (loses or disorders)"
			}
		}
		v := row.Median(Rate)
		if v > 0 {
			note = number(v, 0) + note
		}
		c.bars = append(c.bars, bar{strings.TrimPrefix(row.Title, "ladder: "), []part{{v, class}}, note})
	}
	return c
}

// draw draws the chart below y, and returns where it ends.
func (c chart) draw(b *strings.Builder, y int) int {
	if len(c.bars) == 0 {
		return y
	}
	most := 0.0
	for _, x := range c.bars {
		most = max(most, x.sum())
	}
	fmt.Fprintf(b, `<text class="title" x="8" y="%d">%s</text>`+"\n", y+26, html.EscapeString(c.title))
	y += titleGap
	for _, x := range c.bars {
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, labelWidth-8, y+15, html.EscapeString(x.label))
		at := float64(labelWidth)
		for _, p := range x.parts {
			if p.value <= 0 {
				continue
			}
			width := p.value / most * (chartWidth - labelWidth - noteWidth)
			fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d"/>`, p.class, at, y, width, barHeight)
			at += width
		}
		fmt.Fprintf(b, `<text class="note" x="%.1f" y="%d">%s</text>`+"\n", at+6, y+15, html.EscapeString(x.note))
		y += barHeight + barGap
	}
	return y
}

func (x bar) sum() (sum float64) {
	for _, p := range x.parts {
		sum += p.value
	}
	return sum
}

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// row is a case with its samples, one for each round.
type row struct {
	testCase
	samples []sample
}

// median is the median of a figure over the rounds.
func (r *row) median(f func(sample) float64) float64 {
	values := make([]float64, len(r.samples))
	for i, s := range r.samples {
		values[i] = f(s)
	}
	return median(values)
}

// ratio is the median of how many times r's figure was o's in the same round.
func (r *row) ratio(o *row, f func(sample) float64) float64 {
	values := make([]float64, min(len(r.samples), len(o.samples)))
	for i := range values {
		values[i] = f(r.samples[i]) / f(o.samples[i])
	}
	return median(values)
}

// median is the middle of the values, which it sorts; there is one at least.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// fates is what became of the messages of all rounds.
func (r *row) fates() string {
	var f fate
	for _, s := range r.samples {
		f.lost += s.fate.lost
		f.doubled += s.fate.doubled
		f.disordered += s.fate.disordered
	}
	return fmt.Sprintf("%d / %d / %d", f.lost, f.doubled, f.disordered)
}

func head(machine string, o options) string {
	return fmt.Sprintf("Measured on %s: %s. %d rounds of about %g s for each row, in turn; medians.\n",
		time.Now().UTC().Format(time.DateOnly), machine, o.rounds, o.seconds)
}

// tables has one for each database, with how ours compares to each other row.
func tables(rows []*row) string {
	var b strings.Builder
	for i, r := range rows {
		if i == 0 || rows[i-1].database != r.database {
			fmt.Fprintf(&b, "\n### %s\n\n", r.database.title)
			b.WriteString("| | stored/s | ingestd stores | daemon CPU, µs | ingestd takes | database CPU, µs | memory, MB | lost / doubled / out of order | gives up |\n")
			b.WriteString("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n")
		}
		times, share := "", ""
		if ours := oursOf(rows, r.database); ours != nil && r.config != "" {
			times = fmt.Sprintf("**%.1f ×**", ours.ratio(r, sample.rate))
			share = fmt.Sprintf("**1/%.1f**", r.ratio(ours, sample.daemonCPU))
		}
		databaseCPU := "its own"
		if r.database == &mariadb {
			databaseCPU = fmt.Sprintf("%.1f", r.median(sample.databaseCPU))
		}
		fmt.Fprintf(&b, "| %s | %.0f | %s | %.1f | %s | %s | %.0f | %s | %s |\n", r.title, r.median(sample.rate), times,
			r.median(sample.daemonCPU), share, databaseCPU, r.median(sample.peakMB), r.fates(), r.givesUp)
	}
	return b.String()
}

// oursOf is the first row of ours in a database, nil where it was not run.
func oursOf(rows []*row, d *database) *row {
	for _, r := range rows {
		if r.database == d && r.config == "" {
			return r
		}
	}
	return nil
}

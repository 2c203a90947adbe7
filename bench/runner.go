package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/load"
	"github.com/ingestd/ingestd/bench/report"
)

// runner runs blocks of cases.
type runner struct {
	env    *lab.Lab
	log    io.Writer
	rounds int
	length time.Duration // about how long a run takes
	only   *regexp.Regexp
	quick  bool // leaves out what is slow
	most   int  // messages of a run; 0: as many as it takes
}

// runTimeout is how long one run may take before something must be wrong.
const runTimeout = 5 * time.Minute

// run runs the cases of a block that are asked for: each once to warm up and to be
// checked, then all of them in turn, once in each round.
func (r *runner) run(ctx context.Context, b block) ([]report.Row, error) {
	cases := r.chosen(b)
	counts := make(map[string]int)
	for _, c := range cases {
		if c.cold || c.half != "" {
			counts[c.name] = c.count
			continue
		}
		s, err := r.once(ctx, b, c, c.sized(c.warm), true)
		if err != nil {
			return nil, err
		}
		counts[c.name] = c.filling(s, r.length)
	}
	for _, c := range cases {
		if c.like != "" {
			counts[c.name] = counts[c.like]
		}
	}
	rows := make([]report.Row, len(cases))
	for round := range r.rounds {
		rates := make(map[string]float64)
		for i, c := range cases {
			if c.rounds > 0 && round >= c.rounds {
				continue
			}
			l := c.sized(counts[c.name])
			if c.half != "" {
				l.Rate = rates[c.half] / 2
				l.Count = int(l.Rate * r.length.Seconds())
			}
			s, err := r.once(ctx, b, c, l, false)
			if err != nil {
				return nil, err
			}
			rates[c.name] = report.Rate(s)
			if round == 0 {
				rows[i] = report.Row{Block: b.name, Heading: b.title, Name: c.name, Title: c.title}
			}
			rows[i].Samples = append(rows[i].Samples, s)
		}
	}
	return rows, nil
}

// chosen are the cases that are asked for, and those that these need.
func (r *runner) chosen(b block) []testCase {
	needed := make(map[string]bool)
	for _, c := range b.cases {
		if !(r.quick && c.slow) && (r.only == nil || r.only.MatchString(b.name+"/"+c.name)) {
			needed[c.name], needed[c.like], needed[c.half] = true, true, true
		}
	}
	var chosen []testCase
	for _, c := range b.cases {
		if needed[c.name] {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

func (r *runner) once(ctx context.Context, b block, c testCase, l load.Config, check bool) (report.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	if r.most > 0 {
		l.Count = min(l.Count, r.most)
	}
	if !check && r.most == 0 { // what has few messages measures nothing
		if err := r.env.Settle(ctx); err != nil {
			return report.Sample{}, err
		}
	}
	s, err := c.subject.run(ctx, r.env, l, check)
	if err != nil {
		return s, fmt.Errorf("%s/%s: %w", b.name, c.name, err)
	}
	kind := ""
	if check {
		kind = "  (warm-up)"
	}
	nats := ""
	if s.NATS > 0 {
		nats = fmt.Sprintf("  NATS %5.2f  writer %5.2f", report.NATSCPU(s), report.WriterCPU(s))
	}
	fmt.Fprintf(r.log, "%-28s %9d in %6.2fs  %8.0f/s  cpu µs: daemon %6.2f  client %5.2f  database %5.2f%s%s\n",
		b.name+"/"+c.name, s.Messages, s.Elapsed.Seconds(), report.Rate(s),
		report.DaemonCPU(s), report.ClientCPU(s), report.DatabaseCPU(s), nats, kind)
	return s, nil
}

// sized is the load of c with so many messages.
func (c testCase) sized(count int) load.Config {
	l := c.load
	l.Count = count
	return l
}

// filling is how many messages fill a round, after a first run.
func (c testCase) filling(s report.Sample, length time.Duration) int {
	if c.count > 0 {
		return c.count
	}
	return max(c.warm, int(float64(s.Messages)*length.Seconds()/s.Elapsed.Seconds()))
}

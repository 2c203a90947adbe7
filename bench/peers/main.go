// Peers measures ingestd beside what a user would pick instead: `make bench-peers`
// builds both, and runs them in turn, on the same load and the same database.
// README.md holds what it found.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"

	"github.com/ingestd/ingestd/bench/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := peers(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	ingestd, bento, configs string
	only                    string
	rounds                  int
	seconds                 float64
	markdown                string
}

func parse(args []string, log io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.StringVar(&o.ingestd, "ingestd", "bin/ingestd", "the `program` of ours")
	flags.StringVar(&o.bento, "bento", "bin/peers/bento", "the `program` of the peer")
	flags.StringVar(&o.configs, "configs", "bench/peers", "the `directory` of the peer's configurations")
	flags.StringVar(&o.only, "only", "", "run the cases whose name matches this `regexp`")
	flags.IntVar(&o.rounds, "rounds", 5, "how often each case is run")
	flags.Float64Var(&o.seconds, "seconds", 2, "about how long each run takes")
	flags.StringVar(&o.markdown, "markdown", "", "write the tables between the marks of this `file`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what is %q? There are only flags", flags.Args())
	}
	if o.rounds < 1 || o.seconds <= 0 {
		return o, errors.New("there is at least one round, and it takes some time")
	}
	return o, nil
}

// peers runs what the arguments ask for.
func peers(ctx context.Context, args []string, out, log io.Writer) error {
	o, err := parse(args, log)
	if err != nil {
		return err
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	env, err := newEnvironment(o)
	if err != nil {
		return err
	}
	defer env.Close()
	var rows []*row
	for _, c := range cases {
		if only.MatchString(c.name) {
			rows = append(rows, &row{testCase: c})
		}
	}
	if err := measure(ctx, env, rows, o, log); err != nil {
		return err
	}
	text := head(env.describe(env.Machine(ctx)), o) + tables(rows)
	if _, err := io.WriteString(out, text); err != nil || o.markdown == "" {
		return err
	}
	return report.Insert(o.markdown, text)
}

// warm is how many messages the first run of a case has, which is not counted. It
// tells how many fill a round.
const warm = 40_000

// measure runs each case once to warm up, and then all of them in turn, once in
// each round.
func measure(ctx context.Context, env *environment, rows []*row, o options, log io.Writer) error {
	counts := make([]int, len(rows))
	for i, r := range rows {
		s, err := env.run(ctx, r.testCase, warm)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		counts[i] = max(warm, int(s.rate()*o.seconds))
		fmt.Fprintf(log, "%-28s %s  (warm-up)\n", r.name, s)
	}
	for range o.rounds {
		for i, r := range rows {
			s, err := env.run(ctx, r.testCase, counts[i])
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			r.samples = append(r.samples, s)
			fmt.Fprintf(log, "%-28s %s\n", r.name, s)
		}
	}
	return nil
}

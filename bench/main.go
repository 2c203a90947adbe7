// Bench measures what the program reaches of what the machine could do: `make
// bench` runs all of it but for NATS, `make bench-nats` that, `make bench-quick` a part
// of both. docs/performance.md says how it measures, and holds what it found, beside
// docs/scaling.md.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/report"
)

func main() {
	if status, played := playPart(os.Args[1:]); played {
		os.Exit(status)
	}
	runtime.LockOSThread() // the parts die with the thread that started them
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := bench(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	quick, nats         bool
	only                string
	rounds, most        int
	seconds             float64
	json, markdown, svg string
}

func parse(args []string, log io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.BoolVar(&o.quick, "quick", false, "one short round, without what is slow")
	flags.BoolVar(&o.nats, "nats", false, "measure the layout with NATS between edges and writers, and nothing else")
	flags.StringVar(&o.only, "only", "", "run the cases whose block/name matches this `regexp`, and no Go benchmarks")
	flags.IntVar(&o.rounds, "rounds", 0, "how often each case is run (default 3, quick 1)")
	flags.Float64Var(&o.seconds, "seconds", 0, "about how long each run takes (default 2, quick 0.4)")
	flags.IntVar(&o.most, "most", 0, "how many messages a run may have; 0: as many as fill its time")
	flags.StringVar(&o.json, "json", "", "write everything to this `file`")
	flags.StringVar(&o.markdown, "markdown", "", "write the tables between the marks of this `file`")
	flags.StringVar(&o.svg, "svg", "", "draw the chart into this `file`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what is %q? There are only flags", flags.Args())
	}
	rounds, seconds := 3, 2.0
	if o.quick {
		rounds, seconds = 1, 0.4
	}
	if o.rounds == 0 {
		o.rounds = rounds
	}
	if o.seconds == 0 {
		o.seconds = seconds
	}
	return o, nil
}

// bench runs what the arguments ask for.
func bench(ctx context.Context, args []string, out, log io.Writer) error {
	o, err := parse(args, log)
	if err != nil {
		return err
	}
	env, err := lab.New()
	if err != nil {
		return err
	}
	defer env.Close()
	r := &runner{
		env: env, log: log, rounds: o.rounds, quick: o.quick, most: o.most,
		length: time.Duration(o.seconds * float64(time.Second)),
	}
	if o.only != "" {
		if r.only, err = regexp.Compile(o.only); err != nil {
			return err
		}
	}
	result := report.Report{Rounds: o.rounds, Seconds: o.seconds, Quick: o.quick, NATS: o.nats}
	all := blocks
	if o.nats {
		all = natsBlocks
	}
	for _, b := range all() {
		rows, err := r.run(ctx, b)
		if err != nil {
			return err
		}
		result.Rows = append(result.Rows, rows...)
	}
	if o.only == "" && !o.nats {
		if result.Stages, err = goBench(ctx, log, stages(o.quick)); err != nil {
			return err
		}
	}
	result.Machine = env.Machine(ctx)
	if o.nats {
		result.Machine.NATS = server.VERSION
	}
	result.Judge()
	return errors.Join(result.Table(out), o.write(&result))
}

// write writes the files that are asked for.
func (o options) write(r *report.Report) error {
	var errs []error
	if o.json != "" {
		text, err := json.MarshalIndent(r, "", "\t")
		if err == nil {
			err = os.WriteFile(o.json, append(text, '\n'), 0o644)
		}
		errs = append(errs, err)
	}
	if o.markdown != "" {
		errs = append(errs, report.Insert(o.markdown, r.Markdown()))
	}
	if o.svg != "" {
		var b bytes.Buffer
		errs = append(errs, r.Chart(&b), os.WriteFile(o.svg, b.Bytes(), 0o644))
	}
	return errors.Join(errs...)
}

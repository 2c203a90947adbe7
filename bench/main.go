// Bench measures what the program reaches of what the machine could do: `make
// bench` runs all of it, `make bench-quick` a part. docs/performance.md says how it
// measures, and holds what it found.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"time"

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

// bench runs what the arguments ask for.
func bench(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(log)
	only := flags.String("only", "", "run the cases whose block/name matches this `regexp`")
	rounds := flags.Int("rounds", 3, "how often each case is run")
	seconds := flags.Float64("seconds", 2.5, "about how long each run takes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("what is %q? There are only flags", flags.Args())
	}
	env, err := newEnvironment()
	if err != nil {
		return err
	}
	defer env.close()
	r := &runner{env: env, log: log, rounds: *rounds, length: time.Duration(*seconds * float64(time.Second))}
	if *only != "" {
		if r.only, err = regexp.Compile(*only); err != nil {
			return err
		}
	}
	var rows []report.Row
	for _, b := range blocks() {
		more, err := r.run(ctx, b)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	return report.Table(out, rows)
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/engine"
)

// lookEvery is how often a replay looks for what has become of its letters.
const lookEvery = 100 * time.Millisecond

type lettersReplay struct {
	remote        `embed:""`
	lettersChoice `embed:""`
	Timeout       time.Duration `default:"1m" help:"Stop waiting once nothing has been stored or refused for so long."`
}

// Help implements kong's HelpProvider.
func (*lettersReplay) Help() string {
	return "All of them, unless numbers or filters choose. The running daemon sends them; where none runs on " +
		"data_dir, this command opens the sink and sends them itself, unless --url names a daemon elsewhere. A letter that is stored is gone; one that is refused again stays, with the new reason."
}

func (c *lettersReplay) Run(a *app) error {
	c.All = c.All || !c.some() // it costs nothing to try; what is refused again stays
	filter, err := c.choose()
	if err != nil {
		return err
	}
	if c.Timeout <= 0 {
		return wrong(fmt.Errorf("--timeout must be positive, not %v", c.Timeout))
	}
	return a.withLetters(&c.remote, false, func(ctx context.Context, s *letters) error {
		if err := missing(ctx, s, filter.Numbers); err != nil {
			return err
		}
		ctx, signals := watchSignals(ctx, hclog.NewNullLogger())
		defer signals.stop()
		r := &lettersRun{cfg: s.config, letters: s, timeout: c.Timeout, out: a.stdout, log: a.stderr}
		return r.run(ctx, filter)
	})
}

// lettersRun is one replay.
type lettersRun struct {
	cfg     *config // nil: the letters are elsewhere
	letters letterStore
	timeout time.Duration
	out     io.Writer // hears the summary
	log     io.Writer
	here    bool           // this process sends the letters
	sender  *lettersSender // by this
}

// run marks the letters, sees to it that somebody sends them, and waits.
func (r *lettersRun) run(ctx context.Context, filter deadletters.Filter) (err error) {
	if r.cfg != nil {
		var release func() error
		release, err = r.lock(ctx)
		switch {
		case err == nil:
			r.here = true
			defer func() { err = errors.Join(err, release()) }()
			if r.cfg.mistakes != nil {
				return r.cfg.mistakes // the sink may not be what it should be
			}
		case !errors.Is(err, errInUse):
			return outside(err)
		}
	}
	if r.here && r.cfg.sink.name == "stdout" {
		r.out = r.log // nothing but data goes to standard output
	}
	if r.here { // the sink first: without one, nothing is marked
		if r.sender, err = r.open(ctx); err != nil {
			return err
		}
	}
	request, marked, err := r.letters.Mark(ctx, filter)
	if err == nil && marked > 0 {
		wait := func(ctx context.Context) error { return r.wait(ctx, request) }
		if r.here {
			err = r.sender.run(ctx, wait)
		} else {
			err = wait(ctx)
		}
	}
	if r.here {
		err = errors.Join(err, r.sender.close())
	}
	if request == 0 {
		return err
	}
	told := r.summary(context.WithoutCancel(ctx), request)
	if err != nil {
		return err // says more than that something is left
	}
	return told
}

// lock locks the data directory, unless a daemon has. Where that is another replay,
// it waits for its turn: whoever only marked letters then would be left alone with
// them. Who has just taken the lock may not have said yet what for: so it looks twice.
func (r *lettersRun) lock(ctx context.Context) (release func() error, err error) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for others := 0; ; {
		release, err = lockDir(r.cfg.DataDir, asReplayer)
		switch {
		case !errors.Is(err, errInUse):
			return release, err
		case errors.Is(err, errReplaying):
			others = 0
		default:
			if others++; others == 2 {
				return nil, err
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("nothing was replayed: %w", ctx.Err())
		}
	}
}

// wait waits until every letter is stored or refused again, or nothing happens any
// more.
func (r *lettersRun) wait(ctx context.Context, request int64) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	patience := time.NewTimer(r.timeout)
	defer patience.Stop()
	for settled := int64(0); ; {
		o, err := r.letters.Outcome(ctx, request)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil || !o.Waiting {
			return err
		}
		if r.here && r.sender.engine.Health().Blocked != nil {
			return r.trouble() // waiting does not help
		}
		if n := o.Stored + o.Refused; n > settled {
			settled = n
			patience.Reset(r.timeout)
		}
		select {
		case <-look.C:
		case <-patience.C:
			return r.trouble()
		case <-ctx.Done():
			return nil
		}
	}
}

// trouble says why nothing happens, where this process knows.
func (r *lettersRun) trouble() error {
	if !r.here {
		return nil
	}
	said := func(err error) error {
		return errors.New(r.sender.redact(fmt.Sprintf("write to %v: %v", r.sender.sink, err)))
	}
	h := r.sender.engine.Health()
	switch {
	case h.Blocked != nil:
		return outside(said(h.Blocked))
	case h.Failing != nil:
		return said(h.Failing)
	case h.DeadLetters != nil:
		return said(h.DeadLetters)
	}
	return nil
}

// summary says what has become of the letters. It is an error if that is not that
// all are stored.
func (r *lettersRun) summary(ctx context.Context, request int64) error {
	o, err := r.letters.Outcome(ctx, request)
	if err != nil {
		return err
	}
	if o.Asked == 0 {
		fmt.Fprintln(r.out, "No dead letter matches.")
		return nil
	}
	left, err := r.letters.Waiting(ctx, request)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s: %d stored, %d refused again", count(int(o.Asked), "dead letter"), o.Stored, o.Refused)
	if left > 0 {
		fmt.Fprintf(r.out, ", %d waiting", left)
	}
	if gone := o.Asked - o.Stored - o.Refused - left; gone > 0 {
		fmt.Fprintf(r.out, ", %d discarded or replayed by somebody else", gone)
	}
	fmt.Fprintln(r.out, ".")
	switch {
	case left > 0 && r.here:
		fmt.Fprintln(r.out, "What waits is sent by the next ingestd run, or by another replay.")
	case left > 0:
		fmt.Fprintln(r.out, "What waits is sent by the running daemon when it can.")
	}
	if o.Refused > 0 {
		fmt.Fprintln(r.out, "Run \"ingestd dead-letters list\" to see the reasons.")
	}
	if left > 0 || o.Refused > 0 {
		return &exitError{exitFailed, errLogged}
	}
	return nil
}

// lettersSender is what sends letters where no daemon runs.
type lettersSender struct {
	sink     Sink
	letters  *deadletters.Store // knows the sink's name
	engine   *engine.Engine
	replayer *deadletters.Replayer
	redact   func(string) string
	ran      bool // so the engine has closed the sink
}

// open opens the configured sink, and makes an engine for it. Nothing of that is
// logged: what is refused is told in the letters, what fails by the command.
func (r *lettersRun) open(ctx context.Context) (*lettersSender, error) {
	secrets, log := r.cfg.secrets(), hclog.NewNullLogger()
	s := &lettersSender{redact: func(text string) string { return hclx.Redact(text, secrets...) }}
	var err error
	if s.sink, err = r.cfg.sink.open(ctx, r.cfg.sink.config, log); err != nil {
		return nil, outside(errors.New(s.redact(fmt.Sprintf("open sink %s: %v", r.cfg.sink.name, err))))
	}
	o := r.cfg.engineOptions()
	o.DataDir = "" // letters have numbers, and what cannot be delivered stays a letter
	o.Logger = log
	if s.letters, err = openLetters(ctx, r.cfg, s.sink.String()); err != nil {
		return nil, errors.Join(err, s.sink.Close())
	}
	o.DeadLetters = s.letters
	if s.engine, err = engine.New(s.sink, o); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.replayer = deadletters.NewReplayer(s.letters, log)
	return s, nil
}

// run sends letters until wait has come to its end.
func (s *lettersSender) run(ctx context.Context, wait func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.ran = true
	var work sync.WaitGroup
	var drained, served error
	work.Go(func() { drained = s.engine.Run(ctx) })
	work.Go(func() { served = s.replayer.Serve(ctx, s.engine) })
	err := wait(ctx)
	cancel()
	work.Wait()
	if errors.Is(drained, engine.ErrUndelivered) {
		drained = nil // they are letters still
	}
	return errors.Join(err, drained, served)
}

func (s *lettersSender) close() error {
	err := s.letters.Close()
	if !s.ran {
		err = errors.Join(err, s.sink.Close())
	}
	return err
}

package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/listen"
)

// Config says what a drill does.
type Config struct {
	LoadConfig // but for its URL

	// Launch starts the daemon, which listens on this address. It writes Tables.
	Launch func(listen string) (*child.Daemon, error)
	Tables *Tables

	// The drill goes on until it has killed the daemon Kills times, for Duration,
	// and until Messages are acked, whichever comes last.
	Kills    int
	Duration time.Duration
	Messages int64

	MinAcked int64                            // with fewer acked messages it is void
	Progress func(format string, args ...any) // hears what happens
}

// When the daemon is killed, after the first ack of a start: a random moment of
// these. One time in strikeAgain, its next start is killed as well, within
// startMost.
const (
	killLeast   = 50 * time.Millisecond
	killMost    = 3 * time.Second
	startMost   = 150 * time.Millisecond
	strikeAgain = 4
)

// patience is how long a drill waits for what should come at once. It is no
// measurement: what takes longer is broken.
const patience = 2 * time.Minute

// DrainTimeout is how long the daemon may take to store what is left at the end,
// where that is more than its configuration says: it may be a whole spool.
const DrainTimeout = 10 * time.Minute

// Drill runs a drill until it is done or ctx ends, which only ends it early. The
// error is one of setting it up; everything else is in the report.
func Drill(ctx context.Context, cfg Config) (*Report, error) {
	addresses, err := listen.Spare(1)
	if err != nil {
		return nil, err
	}
	d := &drill{
		cfg: cfg, listen: addresses[0], rng: rand.New(rand.NewPCG(cfg.Seed, 0)),
		report: &Report{Run: cfg.Run, Seed: cfg.Seed, Problems: []string{}, Void: []string{}},
		gaps:   make(map[Key]int64),
	}
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	defer func() { d.daemon.Kill() }()
	// The clients outlive ctx: what they have sent is to be acked.
	d.cfg.URL = d.daemon.URL()
	if d.load, err = StartLoad(context.WithoutCancel(ctx), d.cfg.LoadConfig); err != nil {
		return nil, fmt.Errorf("start the clients: %w", err)
	}
	defer d.load.Close()
	begun := time.Now()
	d.kills(ctx, begun)
	d.finish(context.WithoutCancel(ctx))
	d.report.Seconds = time.Since(begun).Seconds()
	d.report.Stopped = ctx.Err() != nil
	d.judge(context.WithoutCancel(ctx))
	d.report.end(cfg.MinAcked)
	return d.report, nil
}

// drill is one at work.
type drill struct {
	cfg    Config
	listen string
	rng    *rand.Rand
	daemon *child.Daemon
	load   *Load
	report *Report

	gaps  map[Key]int64 // up to which number each key was seen without a gap
	holes int64         // the gaps that were found
}

// start starts the daemon and waits until it is ready.
func (d *drill) start(ctx context.Context) error {
	daemon, err := d.cfg.Launch(d.listen)
	if err != nil {
		return err
	}
	d.daemon = daemon
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	took, err := daemon.Ready(ctx)
	if err != nil {
		daemon.Kill()
		return err
	}
	d.report.RecoverySeconds = max(d.report.RecoverySeconds, took.Seconds())
	return nil
}

// kills kills the daemon again and again, and leaves it running.
func (d *drill) kills(ctx context.Context, begun time.Time) {
	for {
		before := d.load.Acked()
		if !d.awaitAck(ctx, before) {
			return
		}
		if d.report.Kills >= d.cfg.Kills && time.Since(begun) >= d.cfg.Duration && before >= d.cfg.Messages {
			return
		}
		alive := killLeast + time.Duration(d.rng.Int64N(int64(killMost-killLeast)))
		if !d.sleep(ctx, alive) || !d.kill(ctx, alive) {
			return
		}
	}
}

// awaitAck waits for one more ack than n: the proof that the daemon works.
func (d *drill) awaitAck(ctx context.Context, n int64) bool {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := d.load.AwaitAcks(within, n)
	if err != nil && ctx.Err() == nil {
		d.report.void("after kill %d nothing was acked for %v: %v", d.report.Kills, patience, err)
	}
	return err == nil
}

// sleep lets the daemon work for a while. Nobody ends it but the drill.
func (d *drill) sleep(ctx context.Context, how time.Duration) bool {
	timer := time.NewTimer(how)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.daemon.Ended():
		d.report.problem(fmt.Errorf("it ended by itself: %s", d.daemon.Log()))
	case <-ctx.Done():
	}
	return false
}

// kill kills the daemon, looks at what is stored, and starts it again.
func (d *drill) kill(ctx context.Context, alive time.Duration) bool {
	d.daemon.Kill()
	d.report.Kills++
	sent, acked, _ := d.load.Counts()
	if err := d.lookForGaps(ctx); err != nil && ctx.Err() == nil {
		d.report.problem(err)
	}
	if d.rng.IntN(strikeAgain) == 0 {
		again, err := d.cfg.Launch(d.listen)
		if err != nil {
			d.report.problem(err)
			return false
		}
		d.daemon = again
		timer := time.NewTimer(time.Duration(d.rng.Int64N(int64(startMost))))
		select {
		case <-timer.C:
		case <-d.daemon.Ended():
			d.report.problem(fmt.Errorf("it ended by itself: %s", d.daemon.Log()))
		}
		timer.Stop()
		d.daemon.Kill()
		d.report.Kills++
	}
	begun := time.Now()
	if err := d.start(context.WithoutCancel(ctx)); err != nil {
		d.report.problem(fmt.Errorf("start it again: %w", err))
		return false
	}
	d.cfg.Progress("kill %d after %v: %d sent, %d acked; ready again after %v", d.report.Kills,
		alive.Round(time.Millisecond), sent, acked, time.Since(begun).Round(time.Millisecond))
	return true
}

// lookKeys is how many keys one look is about at the most.
const lookKeys = 500

// lookForGaps looks, while the daemon is down, whether something is stored of a
// named client without what it sent before: afterwards, when all of it was sent
// again, nobody can see any more in which order it came.
func (d *drill) lookForGaps(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ids := d.load.ids
	for range min(lookKeys, d.cfg.Named*len(ids)) {
		k := Key{d.load.Ledgers[d.rng.IntN(d.cfg.Named)].Client, ids[d.rng.IntN(len(ids))]}
		n, last, err := d.cfg.Tables.After(ctx, k.Sender, k.ID, d.gaps[k])
		if err != nil {
			return err
		}
		if n > 0 {
			d.holes += last - d.gaps[k] - n
			d.gaps[k] = last
		}
	}
	return nil
}

// finish has everything acked, and ends the daemon.
func (d *drill) finish(ctx context.Context) {
	d.cfg.Progress("no more kills: waiting for the last acks")
	within, cancel := context.WithTimeout(ctx, patience)
	d.report.problem(d.load.Finish(within))
	cancel()
	ctx, cancel = context.WithTimeout(ctx, DrainTimeout+patience)
	defer cancel()
	if err := d.daemon.Stop(ctx); err != nil {
		var ended *child.EndedError
		if !errors.As(err, &ended) {
			err = fmt.Errorf("%w; its last words:\n%s", err, d.daemon.Log())
		}
		d.report.problem(err)
	}
}

// judge reads the tables.
func (d *drill) judge(ctx context.Context) {
	d.cfg.Progress("judging")
	v, err := Verify(ctx, d.cfg.Run, d.load.Ledgers, d.cfg.Tables)
	d.report.problem(err)
	v.OutOfOrder += d.holes
	d.report.Verdict = v
}

// Verify judges what the tables hold.
func Verify(ctx context.Context, run Run, ledgers []*Ledger, t *Tables) (Verdict, error) {
	j := NewJudge(run, ledgers)
	if err := t.Rows(ctx, j.Add); err != nil {
		return j.Verdict(), err
	}
	n, err := t.Miscounted(ctx)
	j.Miscounted(n)
	return j.Verdict(), err
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"time"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/ladder"
	"github.com/ingestd/ingestd/bench/load"
	"github.com/ingestd/ingestd/bench/report"
)

// ladderConfig is that of a design of the ladder.
type ladderConfig struct {
	Design string `json:"design"`
	DSN    string `json:"dsn"`
}

// playLadder is a design of the ladder.
func playLadder(config []byte, in *bufio.Reader, out io.Writer) error {
	var c ladderConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := say(out, listening{"ws://" + l.Addr().String() + "/ws"}); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		untilEnd(in)
		stop()
	}()
	return ladder.Serve(ctx, c.Design, l, c.DSN, out)
}

// rung is a design of the ladder. It may lose messages, or end: that is what it
// shows, and no error.
type rung struct{ design string }

func (r rung) run(ctx context.Context, e *lab.Lab, l load.Config, _ bool) (s report.Sample, err error) {
	dsn, drop, err := e.NewDatabase(ctx)
	if err != nil {
		return s, err
	}
	defer drop()
	if err := ladder.Prepare(ctx, dsn); err != nil {
		return s, err
	}
	var at listening
	p, err := startPart(ctx, "part-ladder", ladderConfig{r.design, dsn}, &at)
	if err != nil {
		return s, err
	}
	defer p.kill()
	l.URL, l.Numbered, l.Silent = at.URL, true, true
	client, err := startPart(ctx, "part-load", l, &nothing{})
	if err != nil {
		return s, err
	}
	defer client.kill()

	pids := []int{p.pid(), client.pid(), e.DatabasePid()}
	before, err := cpuTimes(pids)
	if err != nil {
		return s, err
	}
	begun := time.Now()
	sent := make(chan error, 1)
	go func() { sent <- client.work(&load.Result{}) }()
	fate := &report.Fate{}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	last := make(chan error, 1) // its last words, or its end
	go func() {
		err := p.read(&fate.Counters)
		if err != nil {
			stop() // it has died
		}
		last <- err
	}()
	samples, err := ladder.Watch(watching, dsn, int64(l.Sent()), ladder.Still)
	if err != nil && (watching.Err() == nil || ctx.Err() != nil) {
		return s, err
	}
	after, err := r.cpuAfter(pids, before, watching.Err() != nil)
	if err != nil {
		return s, err
	}
	s.Daemon, s.Client, s.Database = after[0]-before[0], after[1]-before[1], after[2]-before[2]
	if watching.Err() == nil {
		if err := <-sent; err != nil {
			return s, err
		}
		if s.Peak, err = lab.PeakMemory(p.pid()); err != nil {
			return s, err
		}
	}
	_ = p.stdin.Close()
	if err := <-last; err != nil {
		fate.Design, fate.Died = r.design, p.log.first()
	}
	if fate.Counts, err = ladder.Count(ctx, dsn, int64(l.Sent())); err != nil {
		return s, err
	}
	if len(samples) > 0 {
		s.Elapsed = samples[len(samples)-1].At.Sub(begun)
	}
	if s.Messages = int(fate.Stored); s.Messages > 0 {
		if fate.Rate = ladder.Rate(samples); fate.Rate == 0 {
			fate.Rate = float64(s.Messages) / s.Elapsed.Seconds()
		}
	}
	s.Ladder = fate
	return s, nil
}

// cpuAfter is what was used in the end; a process that has died tells nothing.
func (r rung) cpuAfter(pids []int, before []time.Duration, died bool) ([]time.Duration, error) {
	if !died {
		return cpuTimes(pids)
	}
	after := append([]time.Duration(nil), before...)
	var err error
	after[2], err = lab.CPUTime(pids[2])
	return after, err
}

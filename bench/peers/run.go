package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/load"
	"github.com/ingestd/ingestd/internal/child"
)

// sample is what one run gave.
type sample struct {
	messages         int
	elapsed          time.Duration // from the first message sent until all are stored
	daemon, database time.Duration // CPU time
	peak             int64         // bytes, of the daemon
	fate             fate
}

func (s sample) rate() float64        { return float64(s.fate.stored) / s.elapsed.Seconds() }
func (s sample) daemonCPU() float64   { return s.perMessage(s.daemon) }
func (s sample) databaseCPU() float64 { return s.perMessage(s.database) }
func (s sample) peakMB() float64      { return float64(s.peak) / 1e6 }

func (s sample) perMessage(d time.Duration) float64 {
	return float64(d.Microseconds()) / float64(s.messages)
}

func (s sample) String() string {
	return fmt.Sprintf("%8d in %6.2fs  %7.0f/s  cpu µs: daemon %6.1f  database %6.1f  %4.0f MB  lost %d doubled %d disordered %d",
		s.messages, s.elapsed.Seconds(), s.rate(), s.daemonCPU(), s.databaseCPU(), s.peakMB(),
		s.fate.lost, s.fate.doubled, s.fate.disordered)
}

// runTimeout is how long one run may take before something must be wrong.
const runTimeout = 3 * time.Minute

// run lets a case take so many messages.
func (e *environment) run(ctx context.Context, c testCase, count int) (s sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	dir, remove, err := e.NewDir()
	if err != nil {
		return s, err
	}
	defer remove()
	p, err := e.newPlace(ctx, c.database, dir)
	if err != nil {
		return s, err
	}
	defer p.close()
	start, order := e.ours, "id, seq, client"
	if c.config != "" {
		start, order = e.peer(c.config), p.order
	}
	d, url, err := start(ctx, p, dir)
	if err != nil {
		return s, err
	}
	defer d.Kill()
	if err := e.Settle(ctx); err != nil {
		return s, err
	}
	l := load.Config{
		URL: url, Conns: 64, IDs: 1000, Size: 150, PerFrame: 1, Count: count,
		Numbered: c.numbered, Silent: c.config != "",
	}
	if s, err = loaded(ctx, d, p, l); err != nil {
		return s, fmt.Errorf("%w\n%s", err, d.Log())
	}
	stopping, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := d.Term(); err != nil {
		return s, err
	}
	if _, err := d.Wait(stopping); err != nil {
		d.Kill() // all is stored that will be
	}
	s.fate, err = p.fateOf(ctx, order, s.messages)
	return s, err
}

// loaded sends the load, and measures until all of it is stored. Ours says when
// that is; of the peer, the table does.
func loaded(ctx context.Context, d *child.Daemon, p *place, l load.Config) (s sample, err error) {
	client, err := load.Open(l)
	if err != nil {
		return s, err
	}
	defer client.Close()
	daemon, err1 := lab.CPUTime(d.Pid())
	database, err2 := lab.CPUTime(p.pid)
	if err := errors.Join(err1, err2); err != nil {
		return s, err
	}
	begun := time.Now()
	result, err := client.Run()
	if err == nil && l.Silent {
		err = p.await(ctx, result.Sent, d.Ended())
	}
	if err != nil {
		return s, err
	}
	s.messages, s.elapsed = result.Sent, time.Since(begun)
	s.daemon, err1 = lab.CPUTime(d.Pid())
	s.database, err2 = lab.CPUTime(p.pid)
	s.daemon, s.database = s.daemon-daemon, s.database-database
	var err3 error
	s.peak, err3 = lab.PeakMemory(d.Pid())
	return s, errors.Join(err1, err2, err3)
}

// path is where the clients connect.
const path = "/v1/ws"

// ours starts ingestd as it is: all that is set is where things are.
func (e *environment) ours(ctx context.Context, p *place, dir string) (*child.Daemon, string, error) {
	d, err := child.Start(child.Command{Path: e.ingestd, Dir: dir, Args: []string{
		"run", "--set=admin.listen=", "--set=transport.websocket.listen=127.0.0.1:0",
		"--set=sink=" + p.sink, "--set=sink." + p.sink + "." + p.set + "=" + p.address,
	}})
	if err != nil {
		return nil, "", err
	}
	ready, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := d.Ready(ready); err != nil {
		defer d.Kill()
		return nil, "", errors.Join(err, errors.New(d.Log()))
	}
	return d, d.URL(), nil
}

// peer makes the table, and starts Bento with a configuration.
func (e *environment) peer(config string) func(context.Context, *place, string) (*child.Daemon, string, error) {
	return func(ctx context.Context, p *place, dir string) (*child.Daemon, string, error) {
		if _, err := p.db.ExecContext(ctx, p.create); err != nil {
			return nil, "", err
		}
		address, err := freeAddress()
		if err != nil {
			return nil, "", err
		}
		file := filepath.Join(dir, "env")
		if err := os.WriteFile(file, fmt.Appendf(nil, "ADDRESS=%s\nDATABASE=%s\n", address, p.address), 0o600); err != nil {
			return nil, "", err
		}
		d, err := child.Start(child.Command{Path: e.bento, Dir: dir, Args: []string{
			"-e", file, "-c", filepath.Join(e.configs, config),
		}})
		if err != nil {
			return nil, "", err
		}
		if err := listening(ctx, address, d.Ended()); err != nil {
			defer d.Kill()
			return nil, "", fmt.Errorf("%w\n%s", err, d.Log())
		}
		return d, "ws://" + address + path, nil
	}
}

// listening waits until somebody listens there.
func listening(ctx context.Context, address string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ticker.C:
		case <-ended:
			return errors.New("the peer has ended before it listened")
		case <-ctx.Done():
			return err
		}
	}
}

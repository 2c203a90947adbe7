package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/report"
	"github.com/ingestd/ingestd/internal/child"
)

// config is that of a daemon.
type config struct {
	sink   string
	args   []string // settings
	expect expected // when it says that all is stored
	block  string   // the sink in the configuration file; empty: only its name is needed
	from   string   // the transport there; empty: a websocket
}

// serving is a daemon that runs.
type serving struct {
	*child.Daemon
	said   *said
	report string
	remove func()
}

// serve starts a daemon, and waits until it is ready.
func serve(ctx context.Context, e *lab.Lab, c config) (d *serving, err error) {
	dir, remove, err := e.NewDir()
	if err != nil {
		return nil, err
	}
	d = &serving{report: filepath.Join(dir, "report.json"), remove: remove, said: newSaid()}
	defer func() {
		if err != nil {
			d.kill()
		}
	}()
	args := []string{serveName, d.report, c.expect.String(), "run", "--set=admin.listen="}
	if c.block == "" {
		args = append(args, "--set=sink="+watchedName(c.sink))
	}
	if c.from == "" {
		args = append(args, "--set=transport.websocket.listen=127.0.0.1:0")
	}
	if text := c.block + c.from; text != "" {
		path := filepath.Join(dir, "config.hcl")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return d, err
		}
		args = append(args, "--config="+path)
	}
	for _, set := range c.args {
		args = append(args, "--set="+set)
	}
	self, err := os.Executable()
	if err != nil {
		return d, err
	}
	if d.Daemon, err = child.Start(child.Command{Path: self, Args: args, Dir: dir, Log: d.said}); err != nil {
		return d, err
	}
	ready, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := d.Ready(ready); err != nil {
		return d, errors.Join(err, errors.New(d.Log()))
	}
	return d, nil
}

// await waits until the daemon has said something.
func (d *serving) await(ctx context.Context, what string) error {
	select {
	case <-d.said.when(what):
		return nil
	case <-d.Ended():
		return fmt.Errorf("it ended before %q\n%s", what, d.Log())
	case <-ctx.Done():
		return fmt.Errorf("wait for %q: %w\n%s", what, ctx.Err(), d.Log())
	}
}

// stop drains the daemon, and reads its report.
func (d *serving) stop(ctx context.Context) (r daemonReport, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		return r, err
	}
	return readReport(d.report)
}

// kill ends it, if it runs, and removes what it leaves.
func (d *serving) kill() {
	if d.Daemon != nil {
		d.Kill()
	}
	d.remove()
}

// tell notes what the daemon has said of itself.
func (r daemonReport) tell(s *report.Sample) {
	s.P50, s.P99, s.WriteP99, s.Objects = r.P50, r.P99, r.WriteP99, r.Objects
}

// What the daemon's process says beside its log.
const (
	saysBegun = "bench: begins to write"
	saysAll   = "bench: all is stored"
	saysOwner = "bench: all partitions are its own"
)

// said listens for these lines in a log.
type said struct {
	mu    sync.Mutex
	lines map[string]chan struct{}
}

func newSaid() *said {
	s := &said{lines: make(map[string]chan struct{})}
	for _, line := range []string{saysBegun, saysAll, saysOwner} {
		s.lines[line] = make(chan struct{})
	}
	return s
}

// Write gets one line at a time.
func (s *said) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.lines[string(bytes.TrimSpace(line))]; c != nil {
		select {
		case <-c:
		default:
			close(c)
		}
	}
	return len(line), nil
}

// when is closed when the line was said.
func (s *said) when(line string) <-chan struct{} { return s.lines[line] }

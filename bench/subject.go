package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/load"
	"github.com/ingestd/ingestd/bench/report"
	"github.com/ingestd/ingestd/internal/child"
)

// A subject is what a case measures.
type subject interface {
	// run lets it take a load, and gives what that cost. It fails unless every
	// message has arrived where the subject promises to bring it; with check, that
	// includes their content and their order.
	run(ctx context.Context, e *lab.Lab, l load.Config, check bool) (report.Sample, error)
}

// meter measures one load on one server.
type meter struct {
	pid      int // of the server
	database int // the database's; 0: it has no part in it
}

// run sends the load, and measures from the first message to the last answer.
func (m meter) run(ctx context.Context, l load.Config) (s report.Sample, err error) {
	client, err := startPart(ctx, "part-load", l, &nothing{})
	if err != nil {
		return s, err
	}
	ended := false
	defer func() {
		if !ended {
			client.kill()
		}
	}()
	pids := [...]int{m.pid, client.pid(), m.database}
	before, err := cpuTimes(pids[:])
	if err != nil {
		return s, err
	}
	var result load.Result
	if err := client.work(&result); err != nil {
		return s, err
	}
	after, err := cpuTimes(pids[:])
	if err != nil {
		return s, err
	}
	s.Messages, s.Elapsed = result.Sent, result.Elapsed
	s.Daemon, s.Client, s.Database = after[0]-before[0], after[1]-before[1], after[2]-before[2]
	s.Offered = l.Rate
	if s.Peak, err = lab.PeakMemory(m.pid); err != nil {
		return s, err
	}
	ended = true
	return s, client.end(nil)
}

// cpuTimes are those of several processes; of 0 it is 0.
func cpuTimes(pids []int) (times []time.Duration, err error) {
	times = make([]time.Duration, len(pids))
	for i, pid := range pids {
		if times[i], err = lab.CPUTime(pid); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// reader is the bare read loop.
type reader struct{ decode bool }

func (r reader) run(ctx context.Context, _ *lab.Lab, l load.Config, _ bool) (s report.Sample, err error) {
	var at listening
	p, err := startPart(ctx, "part-read", readerConfig{r.decode}, &at)
	if err != nil {
		return s, err
	}
	l.URL, l.Close = at.URL, true
	s, err = meter{pid: p.pid()}.run(ctx, l)
	if err != nil {
		p.kill()
		return s, p.why(err)
	}
	var counts readerCounts
	if err := p.end(&counts); err != nil {
		return s, err
	}
	switch sent := int64(s.Messages); {
	case counts.Frames*int64(l.PerFrame) != sent:
		err = fmt.Errorf("%d messages were sent and %d frames read", sent, counts.Frames)
	case r.decode && counts.Messages != sent:
		err = fmt.Errorf("%d messages were sent and %d decoded", sent, counts.Messages)
	}
	return s, err
}

// ours is the daemon.
type ours struct {
	sink  string // discard, stdout, sqlite or mysql
	spool bool
	set   []string // further settings
}

// patience is how long a daemon may take to start, and to end.
const patience = time.Minute

func (o ours) run(ctx context.Context, e *lab.Lab, l load.Config, check bool) (s report.Sample, err error) {
	dir, remove, err := e.NewDir()
	if err != nil {
		return s, err
	}
	defer remove()
	sink := watchedName(o.sink)
	reportFile := filepath.Join(dir, "report.json")
	args := []string{
		serveName, reportFile, "run", "--set=admin.listen=", "--set=transport.websocket.listen=127.0.0.1:0",
		"--set=sink=" + sink, fmt.Sprintf("--set=delivery.spool=%v", o.spool),
	}
	m := meter{}
	var count func(context.Context, bool) (int64, error)
	switch o.sink {
	case "sqlite":
		path := filepath.Join(dir, "ingest.db")
		args = append(args, "--set=sink."+sink+".path="+path)
		count = func(ctx context.Context, check bool) (int64, error) { return countSQLite(ctx, path, check) }
	case "mysql":
		dsn, drop, err := e.NewDatabase(ctx)
		if err != nil {
			return s, err
		}
		defer drop()
		args = append(args, "--set=sink."+sink+".dsn="+dsn)
		m.database = e.DatabasePid()
		count = func(ctx context.Context, check bool) (int64, error) { return countMySQL(ctx, dsn, check) }
	}
	for _, set := range o.set {
		args = append(args, "--set="+set)
	}
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	d, err := child.Start(child.Command{Path: self, Args: args, Dir: dir})
	if err != nil {
		return s, err
	}
	defer d.Kill()
	ready, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := d.Ready(ready); err != nil {
		return s, errors.Join(err, errors.New(d.Log()))
	}
	m.pid, l.URL = d.Pid(), d.URL()
	if s, err = m.run(ctx, l); err != nil {
		return s, fmt.Errorf("%w\n%s", err, d.Log())
	}
	stopping, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := d.Stop(stopping); err != nil {
		return s, err
	}
	told, err := readReport(reportFile)
	if err != nil {
		return s, err
	}
	s.P50, s.P99, s.WriteP99, s.Objects = told.P50, told.P99, told.WriteP99, told.Objects
	if told.Messages != int64(s.Messages) {
		return s, fmt.Errorf("%d messages were sent and %d written", s.Messages, told.Messages)
	}
	if count == nil {
		return s, nil
	}
	stored, err := count(ctx, check)
	if err == nil && stored != int64(s.Messages) {
		err = fmt.Errorf("%d messages were sent and %d stored", s.Messages, stored)
	}
	return s, err
}

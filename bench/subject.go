package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/load"
	"github.com/ingestd/ingestd/bench/report"
)

// A subject is what a case measures.
type subject interface {
	// run lets it take a load, and gives what that cost. It fails unless every
	// message has arrived where the subject promises to bring it; with check, that
	// includes their content and their order.
	run(ctx context.Context, e *lab.Lab, l load.Config, check bool) (report.Sample, error)
}

// meter measures the processes of one load; of those that are 0, it has none.
type meter struct {
	pid      int   // of the daemon that the client sends to
	writer   int   // of the one that reads the stream
	nats     []int // of the servers that have the stream
	database int
}

// run sends the load, and measures from the first message to the last answer.
func (m meter) run(ctx context.Context, l load.Config) (s report.Sample, err error) {
	return m.runUntil(ctx, l, nil)
}

// runUntil is run where the end is something else than the last answer: what stored
// waits for, after the client has gone.
func (m meter) runUntil(ctx context.Context, l load.Config, stored func() (time.Time, error)) (s report.Sample, err error) {
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
	before, err := m.usage(client.pid())
	if err != nil {
		return s, err
	}
	begun := time.Now()
	var result load.Result
	if err := client.work(&result); err != nil {
		return s, err
	}
	after, err := m.usage(client.pid())
	if err != nil {
		return s, err
	}
	s.Messages, s.Elapsed, s.Offered = result.Sent, result.Elapsed, l.Rate
	if s.Peak, err = lab.PeakMemory(m.pid); err != nil {
		return s, err
	}
	ended = true
	if err := client.end(nil); err != nil {
		return s, err
	}
	if stored != nil {
		at, err := stored()
		if err != nil {
			return s, err
		}
		s.Elapsed = at.Sub(begun)
		sent := after.client // the client has gone
		if after, err = m.usage(0); err != nil {
			return s, err
		}
		after.client = sent
	}
	after.since(before, &s)
	return s, nil
}

// usage is the CPU time of all processes until now.
type usage struct{ daemon, writer, nats, database, client time.Duration }

func (m meter) usage(client int) (u usage, err error) {
	times, err := cpuTimes(append([]int{m.pid, m.writer, m.database, client}, m.nats...))
	if err != nil {
		return u, err
	}
	u = usage{daemon: times[0], writer: times[1], database: times[2], client: times[3]}
	for _, t := range times[4:] {
		u.nats += t
	}
	return u, nil
}

// since notes what was used since before.
func (u usage) since(before usage, s *report.Sample) {
	s.Daemon, s.Writer, s.NATS = u.daemon-before.daemon, u.writer-before.writer, u.nats-before.nats
	s.Database, s.Client = u.database-before.database, u.client-before.client
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
	sink  string // discard, stdout, sqlite, mysql or nats
	nats  servers
	spool bool
	set   []string // further settings
}

// patience is how long a daemon may take to start, and to end.
const patience = time.Minute

func (o ours) run(ctx context.Context, e *lab.Lab, l load.Config, check bool) (s report.Sample, err error) {
	at, err := openStore(ctx, e, o.sink, o.nats)
	if err != nil {
		return s, err
	}
	defer at.drop()
	d, err := serve(ctx, e, config{sink: o.sink, block: at.block, args: append(at.args, o.settings()...)})
	if err != nil {
		return s, err
	}
	defer d.kill()
	l.URL = d.URL()
	s, err = meter{pid: d.Pid(), nats: at.nats, database: at.database}.run(ctx, l)
	if err != nil {
		return s, fmt.Errorf("%w\n%s", err, d.Log())
	}
	told, err := d.stop(ctx)
	if err != nil {
		return s, err
	}
	told.tell(&s)
	if told.Messages != int64(s.Messages) {
		return s, fmt.Errorf("%d messages were sent and %d written", s.Messages, told.Messages)
	}
	return s, at.check(ctx, &s, check)
}

func (o ours) settings() []string {
	set := []string{fmt.Sprintf("delivery.spool=%v", o.spool)}
	return append(set, o.set...)
}

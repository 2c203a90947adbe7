package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/load"
	"github.com/ingestd/ingestd/bench/report"
)

// writing is the configuration of a daemon that reads the stream of some servers
// until it has stored so many messages.
func writing(o ours, at, from *store, expect int) config {
	return config{
		sink: o.sink, args: append(at.args, o.settings()...), expect: expected{messages: int64(expect)},
		from: fmt.Sprintf("transport %q {\n  url = %s\n}\n", watchedName("nats"), list(from.urls)),
	}
}

// writer is a daemon that reads a stream, which was filled before it starts.
type writer struct {
	ours
	from servers
}

func (w writer) run(ctx context.Context, e *lab.Lab, l load.Config, check bool) (s report.Sample, err error) {
	from, err := openStore(ctx, e, "nats", w.from)
	if err != nil {
		return s, err
	}
	defer from.drop()
	at, err := openStore(ctx, e, w.sink, servers{})
	if err != nil {
		return s, err
	}
	defer at.drop()
	if s, err = fill(ctx, e, l, from); err != nil {
		return s, err
	}
	if err := e.Settle(ctx); err != nil {
		return s, err
	}
	d, err := serve(ctx, e, writing(w.ours, at, from, s.Messages))
	if err != nil {
		return s, err
	}
	defer d.kill()
	m := meter{pid: d.Pid(), nats: from.nats, database: at.database}
	if err := d.await(ctx, saysBegun); err != nil {
		return s, err
	}
	before, err := m.usage(0)
	if err != nil {
		return s, err
	}
	if err := d.await(ctx, saysAll); err != nil {
		return s, err
	}
	after, err := m.usage(0)
	if err != nil {
		return s, err
	}
	after.since(before, &s)
	if s.Peak, err = lab.PeakMemory(d.Pid()); err != nil {
		return s, err
	}
	told, err := d.stop(ctx)
	if err != nil {
		return s, err
	}
	s.Elapsed = told.Last.Sub(told.First)
	err = judge(ctx, told, at, &s, check)
	s.P50, s.P99 = 0, 0 // since they were received, which was before the start
	return s, err
}

// fill has an edge fill a stream, and gives what is in it.
func fill(ctx context.Context, e *lab.Lab, l load.Config, into *store) (s report.Sample, err error) {
	edge, err := serve(ctx, e, config{block: into.block, expect: expected{int64(l.Sent()), int64(min(l.IDs, l.Sent()))}})
	if err != nil {
		return s, err
	}
	defer edge.kill()
	l.URL = edge.URL()
	filled, err := meter{pid: edge.Pid()}.run(ctx, l)
	if err != nil {
		return s, err
	}
	// The ends of the streams, too: a writer would wait for more of them.
	if err := edge.await(ctx, saysAll); err != nil {
		return s, err
	}
	if _, err := edge.stop(ctx); err != nil {
		return s, err
	}
	s.Messages = filled.Messages
	return s, into.check(ctx, &s, false)
}

// judge fails unless all that was sent was written, once, and is stored.
func judge(ctx context.Context, told daemonReport, at *store, s *report.Sample, check bool) error {
	told.tell(s)
	if told.Messages != int64(s.Messages) {
		return fmt.Errorf("%d messages were sent and %d written", s.Messages, told.Messages)
	}
	return at.check(ctx, s, check)
}

// chain is an edge, a stream and a writer, at the same time.
type chain struct {
	writer
	edge []string // settings of the edge
}

func (c chain) run(ctx context.Context, e *lab.Lab, l load.Config, check bool) (s report.Sample, err error) {
	from, err := openStore(ctx, e, "nats", c.from)
	if err != nil {
		return s, err
	}
	defer from.drop()
	at, err := openStore(ctx, e, c.sink, servers{})
	if err != nil {
		return s, err
	}
	defer at.drop()
	edge, err := serve(ctx, e, config{block: from.block, args: c.edge})
	if err != nil {
		return s, err
	}
	defer edge.kill()
	w, err := serve(ctx, e, writing(c.ours, at, from, l.Sent()))
	if err != nil {
		return s, err
	}
	defer w.kill()
	if err := w.await(ctx, saysOwner); err != nil {
		return s, err
	}
	l.URL = edge.URL()
	m := meter{pid: edge.Pid(), writer: w.Pid(), nats: from.nats, database: at.database}
	s, err = m.runUntil(ctx, l, func() (last time.Time, err error) {
		if err := w.await(ctx, saysAll); err != nil {
			return last, err
		}
		return time.Now(), nil
	})
	if err != nil {
		return s, fmt.Errorf("%w\n%s\n%s", err, edge.Log(), w.Log())
	}
	if s.Carriers, err = published(ctx, from.urls); err != nil {
		return s, err
	}
	if _, err := edge.stop(ctx); err != nil {
		return s, err
	}
	told, err := w.stop(ctx)
	if err != nil {
		return s, err
	}
	return s, judge(ctx, told, at, &s, check)
}

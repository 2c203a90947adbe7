package spool

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// numbers are those of an engine that is not run.
func numbers() *engine.Numbers {
	e, err := engine.New(newRows(), engine.DefaultOptions())
	if err != nil {
		panic(err)
	}
	return e.Numbers()
}

// logText collects a log.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// config is that of a spool in memory.
func config(fs *crashFS) Config {
	if fs.numbers == nil {
		fs.numbers = numbers()
	}
	return Config{
		Max: engine.MiB, Numbers: fs.numbers, fs: fs,
		Limits: Limits{MaxPending: 256 * engine.MiB, MaxStreams: 1000, DrainTimeout: time.Second},
	}
}

// running is a spool under test that is run. What always holds is checked at its end.
type running struct {
	*Spool
	*listener
	t     testing.TB
	fs    *crashFS
	next  *held
	log   *logText
	stop  context.CancelFunc
	ended chan error
}

// start runs a spool, with a configuration that edit may change.
func start(t testing.TB, fs *crashFS, next *held, edit func(*Config)) *running {
	t.Helper()
	r := &running{t: t, fs: fs, next: next, log: &logText{}, listener: newListener(), ended: make(chan error, 1)}
	c := config(fs)
	c.Logger = hclog.New(&hclog.LoggerOptions{Output: r.log, Level: hclog.Debug})
	if edit != nil {
		edit(&c)
	}
	s, err := Open(c)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	r.Spool = s
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() { r.ended <- s.Run(ctx, next) }()
	return r
}

// send routes a report with some data to a stream.
func (r *running) send(id, data string) {
	r.t.Helper()
	if err := r.try(id, data); err != nil {
		r.t.Errorf("Route(%q): %v", id, err)
	}
}

func (r *running) try(id, data string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return r.route(ctx, r.Spool, engine.Message{ID: id, Data: []byte(data)})
}

// end drains the spool, and checks what always holds. It returns what Run did.
func (r *running) end(spooled bool) error {
	r.t.Helper()
	r.stop()
	err := <-r.ended
	r.check(r.t, spooled)
	if n, who := r.producers.left(); n != 0 || len(who) != 0 || len(r.producers.of) != 0 {
		r.t.Errorf("%d messages are waited for at the end", n)
	}
	if open := r.fs.leaks(); len(open) > 0 {
		r.t.Errorf("still open: %v", open)
	}
	for id, f := range r.flows.of {
		if f.count != 0 || f.cost != 0 {
			r.t.Errorf("stream %q counts %d messages at the end", id, f.count)
		}
	}
	return err
}

// clone copies what is on the disk.
func (c *crashFS) clone() *crashFS {
	n := newCrashFS()
	n.numbers = c.numbers
	for name, f := range c.names {
		n.names[name] = &inode{bytes.Clone(f.data), bytes.Clone(f.data), name}
	}
	n.durable = maps.Clone(n.names)
	return n
}

// segments gives the names of the segments, in order.
func (c *crashFS) segments() (names []string) {
	for name := range c.names {
		if _, ok := parseSegmentName(name); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// filled is a disk with a spool of messages "0", "1", … of three streams, none of
// them settled, that was closed in order.
func filled(t testing.TB, messages, size int) *crashFS {
	t.Helper()
	fs := newCrashFS()
	r := start(t, fs, newHeld(), nil)
	for i := range messages {
		r.send(fmt.Sprint("stream", i%3), fmt.Sprintf("%d %s", i, bytes.Repeat([]byte{'x'}, size)))
	}
	if err := r.end(true); err != nil {
		t.Fatalf("Run: %v", err)
	}
	return fs
}

// found opens a spool, reads the messages that it would hand on, and gives the
// numbers in their data.
func (c *crashFS) found(t testing.TB, edit func(*Config)) (got []int, st Stats) {
	t.Helper()
	cfg := config(c)
	if edit != nil {
		edit(&cfg)
	}
	s, err := Open(cfg)
	if err != nil {
		t.Errorf("Open: %v", err)
		return nil, st
	}
	cur := cursor{s: s}
	var d decoder
	for {
		f, ok, err := cur.read()
		if err != nil {
			t.Errorf("read: %v", err)
		}
		if !ok {
			break
		}
		var m engine.Message
		if _, err := d.decode(&f, &m); err != nil {
			t.Errorf("decode: %v", err)
		}
		if s.journal.isSettled(cur.seg, f.position) {
			continue
		}
		n := -1
		_, _ = fmt.Sscan(string(m.Data), &n)
		if string(f.id()) != fmt.Sprint("stream", n%3) {
			t.Errorf("message %d is of %q", n, f.id())
		}
		got = append(got, n)
	}
	cur.close()
	st = s.Stats()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if open := c.leaks(); len(open) > 0 {
		t.Errorf("still open: %v", open)
	}
	return got, st
}

// upTo is 0 … n-1, without some.
func upTo(n int, without ...int) (all []int) {
next:
	for i := range n {
		for _, w := range without {
			if i == w {
				continue next
			}
		}
		all = append(all, i)
	}
	return all
}

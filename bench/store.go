package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/report"
)

// store is where a daemon stores messages.
type store struct {
	args     []string // settings of the sink
	block    string   // the sink in a configuration file; empty: it needs none
	nats     []int    // the processes that it takes
	database int
	urls     []string // of the NATS servers

	// count counts what is stored, and with check reads it; nil: nobody can.
	count func(ctx context.Context, check bool) (stored, error)
	drop  func()
}

// openStore makes an empty one for a kind of sink.
func openStore(ctx context.Context, e *lab.Lab, sink string, n servers) (*store, error) {
	s := &store{drop: func() {}}
	set := func(name, value string) {
		s.args = append(s.args, "sink."+watchedName(sink)+"."+name+"="+value)
	}
	switch sink {
	case "sqlite":
		dir, remove, err := e.NewDir()
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, "ingest.db")
		set("path", path)
		s.drop = remove
		s.count = rows(func(ctx context.Context, check bool) (int64, error) { return countSQLite(ctx, path, check) })
	case "mysql":
		dsn, drop, err := e.NewDatabase(ctx)
		if err != nil {
			return nil, err
		}
		set("dsn", dsn)
		s.database, s.drop = e.DatabasePid(), drop
		s.count = rows(func(ctx context.Context, check bool) (int64, error) { return countMySQL(ctx, dsn, check) })
	case "nats":
		r, err := n.start(ctx, e)
		if err != nil {
			return nil, err
		}
		s.block = fmt.Sprintf("sink %q {\n  url = %s\n  replicas = %d\n}\n", watchedName(sink), list(r.urls), n.size)
		s.nats, s.urls, s.drop = r.pids, r.urls, r.stop
		s.count = func(ctx context.Context, check bool) (stored, error) { return readStream(ctx, r.urls, check) }
	}
	return s, nil
}

// rows counts those of a table.
func rows(count func(context.Context, bool) (int64, error)) func(context.Context, bool) (stored, error) {
	return func(ctx context.Context, check bool) (n stored, err error) {
		n.messages, err = count(ctx, check)
		return n, err
	}
}

// list is how a configuration has texts.
func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = strconv.Quote(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// check fails unless all that was sent is stored.
func (s *store) check(ctx context.Context, sample *report.Sample, check bool) error {
	if s.count == nil {
		return nil
	}
	n, err := s.count(ctx, check)
	if err == nil && n.messages != int64(sample.Messages) {
		err = fmt.Errorf("%d messages were sent and %d stored", sample.Messages, n.messages)
	}
	if n.carriers > 0 {
		sample.Carriers, sample.StreamBytes = n.carriers, n.bytes
	}
	return err
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/ingestd/ingestd/bench/lab"
	"github.com/ingestd/ingestd/bench/limit"
	"github.com/ingestd/ingestd/bench/load"
	"github.com/ingestd/ingestd/bench/report"
)

// bulkConfig is that of a bare bulk insert.
type bulkConfig struct {
	limit.Bulk
	Rows int `json:"rows"`
}

// bulkResult is what it says of its work.
type bulkResult struct {
	Rows    int           `json:"rows"`
	Elapsed time.Duration `json:"elapsed"`
}

// playBulk is the bare bulk insert.
func playBulk(config []byte, in *bufio.Reader, out io.Writer) error {
	var c bulkConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	ctx := context.Background()
	inserter, err := c.Open(ctx)
	if err != nil {
		return err
	}
	if err := say(out, nothing{}); err != nil {
		return err
	}
	if err := await(in); err != nil {
		return err
	}
	begun := time.Now()
	n, err := inserter.Run(ctx, c.Rows)
	if err != nil {
		return errors.Join(err, inserter.Close())
	}
	if err := say(out, bulkResult{n, time.Since(begun)}); err != nil {
		return err
	}
	untilEnd(in)
	return inserter.Close()
}

// bulk is the bare bulk insert.
type bulk struct{ limit.Bulk }

func (b bulk) run(ctx context.Context, e *lab.Lab, l load.Config, _ bool) (s report.Sample, err error) {
	dir, remove, err := e.NewDir()
	if err != nil {
		return s, err
	}
	defer remove()
	c := bulkConfig{b.Bulk, l.Count}
	c.Size, c.IDs = l.Size, l.IDs
	database := 0
	var count func(context.Context) (int64, error)
	switch c.Dialect {
	case "sqlite":
		c.Path = filepath.Join(dir, "ingest.db")
		count = func(ctx context.Context) (int64, error) { return countSQLite(ctx, c.Path, false) }
	case "mysql":
		dsn, drop, err := e.NewDatabase(ctx)
		if err != nil {
			return s, err
		}
		defer drop()
		c.DSN, database = dsn, e.DatabasePid()
		count = func(ctx context.Context) (int64, error) { return countMySQL(ctx, dsn, false) }
	}
	p, err := startPart(ctx, "part-bulk", c, &nothing{})
	if err != nil {
		return s, err
	}
	pids := []int{p.pid(), database}
	before, err := cpuTimes(pids)
	var result bulkResult
	if err == nil {
		err = p.work(&result)
	}
	var after []time.Duration
	if err == nil {
		after, err = cpuTimes(pids)
	}
	if err == nil {
		s.Peak, err = lab.PeakMemory(p.pid())
	}
	if err != nil {
		p.kill()
		return s, err
	}
	s.Messages, s.Elapsed = result.Rows, result.Elapsed
	s.Daemon, s.Database = after[0]-before[0], after[1]-before[1]
	if err := p.end(nil); err != nil {
		return s, err
	}
	stored, err := count(ctx)
	if err == nil && stored != int64(result.Rows) {
		err = fmt.Errorf("%d rows were inserted and %d are stored", result.Rows, stored)
	}
	return s, err
}

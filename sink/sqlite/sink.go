package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	driver "modernc.org/sqlite"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// Sink stores batches in one SQLite database. It is made by [Open].
type Sink struct {
	path  string
	abs   string // path, wherever the program goes
	db    *sql.DB
	reads *sql.DB     // for Read
	file  os.FileInfo // which file that is
	hook  *sink.Hook

	// writer holds the connection that writes, while nobody uses it. It is nil
	// where the last one had to be given up.
	writer chan *writer

	checkpoints checkpoints
}

var _ engine.Sink = (*Sink)(nil)

// writer is the connection that writes, and what it reuses from Write to Write.
type writer struct {
	conn  *sink.Conn
	hook  *sink.Hook
	group sink.Group
	args  sink.Args
}

// Open opens the database, makes it and its tables where they are missing, brings
// older ones up to date, and checks that they have what is needed. The error is
// blocked ([engine.IsBlocked]) where an operator must act.
func Open(ctx context.Context, c Config, log hclog.Logger) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = hclog.NewNullLogger()
	}
	writer := make(chan *writer, 1)
	s := &Sink{
		path:        c.Path,
		hook:        &sink.Hook{Apply: c.Apply, Over: rolledBack, Code: code},
		writer:      writer,
		checkpoints: checkpoints{writer: writer, log: log},
	}
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("sqlite %s: %w", c.Path, err)
	}
	return s, nil
}

func (s *Sink) open(ctx context.Context) error {
	if err := checkPath(s.path); err != nil {
		return engine.Blocked(err)
	}
	var err error
	if s.abs, err = filepath.Abs(s.path); err != nil {
		return err
	}
	connector, err := driver.NewConnector(dsn(s.abs))
	if err != nil {
		return err
	}
	if s.reads, err = openReads(s.abs); err != nil {
		return err
	}
	s.db = sql.OpenDB(connector)
	w, err := s.prepare(ctx)
	if err != nil {
		_ = s.reads.Close()
		_ = s.db.Close()
		return classify(ctx, err)
	}
	s.writer <- w
	s.checkpoints.start()
	return nil
}

// prepare makes the connections and the tables.
func (s *Sink) prepare(ctx context.Context) (*writer, error) {
	w, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err = openSchema(ctx, w.conn, migrations); err == nil {
		s.file, err = os.Stat(s.abs)
	}
	var c *sql.Conn
	if err == nil {
		c, err = s.db.Conn(ctx)
	}
	if err != nil {
		_ = w.conn.Close()
		return nil, err
	}
	s.checkpoints.conn = sink.NewConn(c)
	return w, nil
}

// checkPath says in plain words what SQLite only calls "unable to open".
func checkPath(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return errors.New("is a directory")
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("directory %s does not exist", dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	}
	return nil
}

// checkFile tells whether the file is still the one that was opened. SQLite itself
// goes on writing into one that was deleted or replaced, where nobody finds it
// again. Another one is not opened in its place: the log beside it may still be
// that of the old one, and would be mixed into it.
func (s *Sink) checkFile() error {
	switch info, err := os.Stat(s.abs); {
	case errors.Is(err, os.ErrNotExist):
		return engine.Blocked(fmt.Errorf("the file %s was deleted or moved while it was open: put it back, or restart", s.abs))
	case err != nil:
		return engine.Blocked(err)
	case !os.SameFile(info, s.file):
		return engine.Blocked(fmt.Errorf("the file %s was replaced by another one while it was open: restart", s.abs))
	}
	return nil
}

// connect makes the connection that writes, and checks that it is as durable as
// was asked: SQLite answers a journal mode that it cannot have with another one.
func (s *Sink) connect(ctx context.Context) (*writer, error) {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var mode string
	var synchronous int
	err = errors.Join(
		c.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode),
		c.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous),
	)
	if err == nil && (mode != "wal" || synchronous != 2) {
		err = engine.Blocked(fmt.Errorf("journal_mode is %s and synchronous %d, not wal and 2", mode, synchronous))
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return &writer{conn: sink.NewConn(c), hook: s.hook}, nil
}

// Write stores the batches in one transaction.
func (s *Sink) Write(ctx context.Context, batches []engine.Batch) ([]engine.Result, error) {
	if err := s.checkpoints.wait(ctx); err != nil {
		return nil, err
	}
	var w *writer
	select {
	case w = <-s.writer:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { s.writer <- w }()
	if err := sink.CheckAll(batches); err != nil {
		return nil, err
	}
	if err := s.checkFile(); err != nil {
		return nil, err
	}
	if w == nil {
		var err error
		if w, err = s.connect(ctx); err != nil {
			return nil, classify(ctx, err)
		}
	}
	results, err := w.write(ctx, batches)
	w.release()
	switch {
	case err == nil:
		s.checkpoints.grown(ctx, w)
	case errors.Is(err, sink.ErrLost):
		w.conn.Discard()
		w = nil
	}
	return results, classify(ctx, err)
}

// Close moves the log into the database and closes it. Where another process is in
// the way it does not wait long: the log stays, and whoever opens the database next
// reads it.
func (s *Sink) Close() error {
	errs := []error{s.checkpoints.stop(), s.reads.Close()}
	if w := <-s.writer; w != nil {
		ctx := context.Background()
		_, busy := w.conn.ExecContext(ctx, "PRAGMA busy_timeout(100)")
		_, err := w.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
		errs = append(errs, busy, err, w.conn.Close())
	}
	if err := errors.Join(append(errs, s.db.Close())...); err != nil {
		return fmt.Errorf("close sqlite %s: %w", s.path, err)
	}
	return nil
}

// String says where the sink writes.
func (s *Sink) String() string { return "sqlite " + s.path }

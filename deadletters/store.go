package deadletters

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	driver "modernc.org/sqlite"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// Options of a [Store]. The zero value is fine.
type Options struct {
	// Sink is what letters that are kept say refused them.
	Sink string

	// Redact takes secrets out of the text of a reason before it is kept; nil:
	// none can be in it.
	Redact func(string) string
}

// Store is the dead letters in one file. It is safe for concurrent use, also by
// several processes at once. It is made by [Open].
type Store struct {
	path   string
	sink   string
	redact func(string) string
	file   os.FileInfo // which file that is

	db    *sql.DB // where the connection that writes comes from
	reads *sql.DB // those that read, and never wait for it

	// writer holds the connection that writes, while nobody uses it. It is nil
	// where the last one had to be given up.
	writer chan *sink.Conn

	mu      sync.Mutex
	joining *group // the letters that the next transaction keeps; nil: none wait
}

var _ engine.DeadLetters = (*Store)(nil)

// Open opens the file, and makes it where it is missing, readable by its owner
// alone; its directory must be there. A file of a newer version is refused.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	s := &Store{sink: o.Sink, redact: o.Redact, writer: make(chan *sink.Conn, 1)}
	err := s.open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("dead letters %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, path string) (err error) {
	if s.path, err = filepath.Abs(path); err != nil {
		return err
	}
	if err := makeFile(s.path); err != nil {
		return err
	}
	if s.db, err = openDB(s.path, false); err != nil {
		return err
	}
	if s.reads, err = openDB(s.path, true); err != nil {
		return errors.Join(err, s.db.Close())
	}
	s.reads.SetMaxOpenConns(4)
	c, err := s.connect(ctx)
	if err == nil {
		if err = migrate(ctx, c, migrations); err == nil {
			s.file, err = os.Stat(s.path)
		}
		if err != nil {
			_ = c.Close()
		}
	}
	if err != nil {
		return errors.Join(err, s.reads.Close(), s.db.Close())
	}
	s.writer <- c
	return nil
}

// makeFile makes an empty file, unless there is one. SQLite itself would let
// everybody read it. It appears under its name only when it is closed again: POSIX
// takes the locks of this whole process on a file away when any of its descriptors
// is closed.
func makeFile(path string) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	err = f.Close()
	if err == nil {
		if err = os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	return errors.Join(err, os.Remove(f.Name()))
}

// openDB makes a pool. synchronous=FULL: a commit is on disk. immediate: a
// transaction takes the lock as it begins, and waits for it; one that finds out
// later that it needs the lock fails at once.
func openDB(path string, readOnly bool) (*sql.DB, error) {
	query := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)",
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"journal_size_limit(16777216)",
	}}
	if readOnly {
		query.Add("_pragma", "query_only(1)")
	}
	uri := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	connector, err := driver.NewConnector(uri.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// connect makes the connection that writes, and checks that it is as durable as
// was asked: SQLite answers a journal mode that it cannot have with another one.
func (s *Store) connect(ctx context.Context) (*sink.Conn, error) {
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
		err = fmt.Errorf("journal_mode is %s and synchronous %d, not wal and 2", mode, synchronous)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return sink.NewConn(c), nil
}

// write runs f in a transaction, which is on disk once it returns nil.
func (s *Store) write(ctx context.Context, f func(ctx context.Context, c *sink.Conn) error) error {
	select {
	case c := <-s.writer:
		return s.writeWith(ctx, c, f)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeWith is write for who has taken the connection c. It gives it back.
func (s *Store) writeWith(ctx context.Context, c *sink.Conn, f func(ctx context.Context, c *sink.Conn) error) error {
	defer func() { s.writer <- c }()
	if err := s.checkFile(); err != nil {
		return err
	}
	if c == nil {
		var err error
		if c, err = s.connect(ctx); err != nil {
			return err
		}
	}
	err := c.Transaction(ctx, func(ctx context.Context) error { return f(ctx, c) })
	if errors.Is(err, sink.ErrLost) {
		c.Discard()
		c = nil
	}
	return err
}

// checkFile tells whether the file is still the one that was opened. SQLite itself
// goes on writing into one that was deleted, where nobody finds it again.
func (s *Store) checkFile() error {
	switch info, err := os.Stat(s.path); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the file %s was deleted or moved while it was open: put it back, or restart", s.path)
	case err != nil:
		return err
	case !os.SameFile(info, s.file):
		return fmt.Errorf("the file %s was replaced by another one while it was open: restart", s.path)
	}
	return nil
}

// Close moves the log into the file and closes it. Where another process is in the
// way it does not wait: the log stays, and whoever opens the file next reads it.
// Nothing else may be called any more.
func (s *Store) Close() error {
	var errs []error
	if c := <-s.writer; c != nil {
		ctx := context.Background()
		_, busy := c.ExecContext(ctx, "PRAGMA busy_timeout(100)")
		_, err := c.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
		errs = append(errs, busy, err, c.Close())
	}
	if err := errors.Join(append(errs, s.reads.Close(), s.db.Close())...); err != nil {
		return fmt.Errorf("close the dead letters %s: %w", s.path, err)
	}
	return nil
}

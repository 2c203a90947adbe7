package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	driver "github.com/go-sql-driver/mysql"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// Sink stores batches in the tables of one database. It is made by [Open].
type Sink struct {
	name    string // user@host:port/database
	db      *sql.DB
	reads   *sql.DB // for Read
	queries *queries
	apply   sink.Apply

	// writers holds the connections that write, while nobody uses them; nil for
	// one that is yet to be made.
	writers chan *writer

	// packet is the size above which a statement was found to be too big for
	// something on the way, where the server itself allows more; 0: never.
	packet atomic.Int64

	opened, failed atomic.Uint64 // see Pool

	maria atomic.Bool // what the server said of itself last

	limitsIdle bool // idleLimit is the sink's own
}

var _ engine.Sink = (*Sink)(nil)

// Open connects, makes the tables where they are missing, brings older ones up to
// date, and checks that they have what is needed. The error is blocked
// ([engine.IsBlocked]) where an operator must act, and transient where the server
// cannot be reached. The driver's own remarks go to log, at debug level; nil
// drops them.
func Open(ctx context.Context, c Config, log hclog.Logger) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = hclog.NewNullLogger()
	}
	cfg, err := c.driverConfig(log)
	if err != nil {
		return nil, err
	}
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return nil, &engine.OptionError{Option: "dsn", Problem: "is refused by the driver"}
	}
	s := &Sink{
		name:    place(cfg),
		db:      sql.OpenDB(connector),
		reads:   openReads(connector),
		queries: newQueries(c.MessagesTable, c.StreamsTable),
		apply:   c.Apply,
		writers: make(chan *writer, c.Writers),
	}
	_, set := cfg.Params[idleLimit]
	s.limitsIdle = c.Apply == nil && !set
	s.db.SetMaxOpenConns(c.Writers)
	s.db.SetMaxIdleConns(0)
	if err := s.open(ctx, c); err != nil {
		_, _ = s.reads.Close(), s.db.Close()
		return nil, fmt.Errorf("%s: %w", s, classify(ctx, err))
	}
	return s, nil
}

func (s *Sink) open(ctx context.Context, c Config) error {
	w, err := s.connect(ctx)
	if err != nil {
		return err
	}
	if err := openSchema(ctx, w.conn.Conn, c, migrations(c)); err != nil {
		w.conn.Discard()
		return err
	}
	s.writers <- w
	for range c.Writers - 1 {
		s.writers <- nil
	}
	return nil
}

// place is where cfg leads to, without its password.
func place(cfg *driver.Config) string {
	at := cfg.Addr
	if cfg.Net != "tcp" {
		at = cfg.Net + "(" + cfg.Addr + ")"
	}
	return cfg.User + "@" + at + "/" + cfg.DBName
}

// Write stores the batches in one transaction.
func (s *Sink) Write(ctx context.Context, batches []engine.Batch) ([]engine.Result, error) {
	if err := sink.CheckAll(batches); err != nil {
		return nil, err
	}
	var w *writer
	select {
	case w = <-s.writers:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { s.writers <- w }()
	for {
		results, err := s.attempt(ctx, &w, batches)
		var big *tooBigError
		if !errors.As(err, &big) || ctx.Err() != nil {
			return results, classify(ctx, err)
		}
		if big.rows == 1 {
			return nil, permanent(big.err)
		}
		s.packet.Store(int64(big.limit / 2))
	}
}

// attempt writes once, on *w, which it makes where it is nil, and leaves nil
// where the connection is of no more use. Nothing has happened yet where not even
// the transaction could be begun: then an old connection is exchanged for a new
// one, which is no reason to bother anybody.
func (s *Sink) attempt(ctx context.Context, w **writer, batches []engine.Batch) ([]engine.Result, error) {
	old := *w != nil
	if !old {
		var err error
		if *w, err = s.connect(ctx); err != nil {
			return nil, err
		}
	}
	results, err := (*w).write(ctx, batches, int(s.packet.Load()))
	(*w).release()
	// A session does not notice that its rights were given back.
	if err == nil || !lost(err) && !blocked(err) {
		return results, err
	}
	(*w).conn.Discard()
	*w = nil
	if old && errors.Is(err, sink.ErrBegin) && ctx.Err() == nil {
		return s.attempt(ctx, w, batches)
	}
	return nil, err
}

// Close closes the connections.
func (s *Sink) Close() error {
	for range cap(s.writers) {
		if w := <-s.writers; w != nil {
			_ = w.conn.Close()
		}
	}
	if err := errors.Join(s.reads.Close(), s.db.Close()); err != nil {
		return fmt.Errorf("close %s: %w", s, err)
	}
	return nil
}

// Product is what the server is: MariaDB, or MySQL.
func (s *Sink) Product() string {
	if s.maria.Load() {
		return "MariaDB"
	}
	return "MySQL"
}

// String says where the sink writes.
func (s *Sink) String() string { return "mysql " + s.name }

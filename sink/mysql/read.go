package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"time"

	"github.com/ingestd/ingestd/sink"
)

var _ sink.Reader = (*Sink)(nil)

// maxReaders is how many connections read at once; more Reads wait. One is kept for
// less long than the server keeps it.
const (
	maxReaders  = 2
	maxReadIdle = 30 * time.Second
)

// openReads makes the connections that read, when they are needed.
func openReads(connector sqldriver.Connector) *sql.DB {
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(1)
	db.SetConnMaxIdleTime(maxReadIdle)
	return db
}

// Read gives what is stored of a stream, see [sink.Reader].
func (s *Sink) Read(ctx context.Context, id string, last int) (sink.Stored, error) {
	stored, err := sink.ReadWith(ctx, s.reads, s.queries.readStream, s.queries.readMessages, id, last)
	return stored, classify(ctx, err)
}

// Pool tells how the connections are that write.
func (s *Sink) Pool() sink.Pool {
	return sink.Pool{
		Open: s.db.Stats().OpenConnections, InUse: cap(s.writers) - len(s.writers), Max: cap(s.writers),
		Opened: s.opened.Load(), Failed: s.failed.Load(),
	}
}

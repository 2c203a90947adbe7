package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink/mysql"
	"github.com/ingestd/ingestd/sink/sinktest"
)

func config(dsn string) mysql.Config {
	c := mysql.DefaultConfig()
	c.DSN = engine.Secret(dsn)
	return c
}

func open(t testing.TB, c mysql.Config) *mysql.Sink {
	t.Helper()
	s, err := mysql.Open(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// opened is open, and closes the sink when the test ends.
func opened(t testing.TB, c mysql.Config) *mysql.Sink {
	t.Helper()
	s := open(t, c)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func exec(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func count(t testing.TB, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

var received = time.Date(2024, 5, 7, 3, 33, 20, 0, time.UTC)

func batch(id string, from, to int) engine.Batch {
	b := engine.Batch{ID: id}
	for k := from; k <= to; k++ {
		b.Messages = append(b.Messages, engine.Message{
			ID: id, Seq: int64(k), Client: "phone-7", Op: "report", Received: received,
			Data: fmt.Appendf(nil, `{"n":%d}`, k),
		})
	}
	return b
}

func write(t testing.TB, s engine.Sink, batches ...engine.Batch) []engine.Result {
	t.Helper()
	results, err := s.Write(t.Context(), batches)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		dsn := mariadbtest.DSN(t)
		db := mariadbtest.DB(t, dsn)
		return sinktest.Target{
			Sink:      open(t, config(dsn)),
			Rows:      sinktest.SQLRows(db, "messages"),
			Streams:   sinktest.SQLStreams(db, "streams"),
			Remembers: true,
			Counts:    true,
			Resumes:   true,
		}
	})
}

// Without a table of streams the rows are counted.
func TestConformanceWithoutStreams(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		dsn := mariadbtest.DSN(t)
		c := config(dsn)
		c.MessagesTable, c.StreamsTable, c.Writers = "odd `name` of messages", "", 1
		return sinktest.Target{
			Sink:      open(t, c),
			Rows:      sinktest.SQLRows(mariadbtest.DB(t, dsn), "`odd ``name`` of messages`"),
			Remembers: true,
			Counts:    true,
			Resumes:   true,
		}
	})
}

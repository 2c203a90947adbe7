package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/sinktest"
	"github.com/ingestd/ingestd/sink/sqlite"
)

// open opens a sink, which the test closes when it ends.
func open(t testing.TB, path string) *sqlite.Sink {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reader opens the database once more, to look at it.
func reader(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
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

func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		path := filepath.Join(t.TempDir(), "ingest.db")
		s, db := open(t, path), reader(t, path)
		return sinktest.Target{
			Sink:      s,
			Rows:      sinktest.SQLRows(db, "messages"),
			Streams:   sinktest.SQLStreams(db, "streams"),
			Remembers: true,
			Counts:    true,
			Resumes:   true,
		}
	})
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

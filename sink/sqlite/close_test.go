package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/sqlite"
)

// A process that holds the database's lock does not hold up the end of a daemon:
// neither a Write whose context ends, nor Close waits out busy_timeout for it.
func TestLockedDatabaseHoldsUpNoEnd(t *testing.T) {
	c := sqlite.DefaultConfig()
	c.Path = filepath.Join(t.TempDir(), "ingest.db")
	s, err := sqlite.Open(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", "file:"+c.Path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })

	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Write(ctx, []engine.Batch{{ID: "a", Messages: []engine.Message{{ID: "a", Seq: 1, Data: []byte("1")}}}})
	if err == nil || engine.IsPermanent(err) || engine.IsBlocked(err) {
		t.Errorf("Write into a locked database: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	t.Logf("ended after %v", time.Since(began))
}

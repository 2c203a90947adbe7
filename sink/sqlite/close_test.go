package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// A process that holds the database's lock does not hold up the end of a daemon:
// neither a Write whose context ends, nor Close waits out busy_timeout for it.
func TestLockedDatabaseHoldsUpNoEnd(t *testing.T) {
	c := DefaultConfig()
	c.Path = filepath.Join(t.TempDir(), "ingest.db")
	s, err := Open(t.Context(), c, nil)
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

	// If one of them waited, it would be for an hour.
	w := <-s.writer
	if _, err := w.conn.ExecContext(t.Context(), "PRAGMA busy_timeout(3600000)"); err != nil {
		t.Fatal(err)
	}
	s.writer <- w
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Write(ctx, []engine.Batch{{ID: "a", Messages: []engine.Message{{ID: "a", Seq: 1, Data: []byte("1")}}}})
	if err == nil || engine.IsPermanent(err) || engine.IsBlocked(err) {
		t.Errorf("Write into a locked database: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

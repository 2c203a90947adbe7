package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
	"github.com/ingestd/ingestd/sink/internal/applytest"
	"github.com/ingestd/ingestd/sink/sqlite"
)

// hooked is a database with a table of the host program's own.
func hooked(t testing.TB) *applytest.Database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ingest.db")
	db := reader(t, path)
	exec(t, db, "CREATE TABLE totals (id TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL CHECK (n < 1000))")
	return &applytest.Database{
		Open: func(t testing.TB, apply sink.Apply) engine.Sink {
			s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Apply: apply}, nil)
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		DB:     db,
		Add:    "INSERT INTO totals VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1",
		Check:  "275",
		Hidden: "SELECT 1; COMMIT",
	}
}

func TestApply(t *testing.T) {
	applytest.Run(t, func(t *testing.T) *applytest.Database { return hooked(t) })
}

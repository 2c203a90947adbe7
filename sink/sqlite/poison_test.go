package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/sink/internal/load"
	"github.com/ingestd/ingestd/sink/sqlite"
)

// strict is a sink on a table that refuses much.
func strict(t *testing.T) (*sqlite.Sink, *sql.DB) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ingest.db")
	db := reader(t, path)
	db.SetMaxOpenConns(1)
	exec(t, db, "PRAGMA busy_timeout = 60000")
	exec(t, db, `CREATE TABLE messages (
		id TEXT NOT NULL, seq INTEGER NOT NULL, client TEXT NOT NULL, op TEXT NOT NULL CHECK (length(op) < 255),
		code INTEGER NOT NULL CHECK (code BETWEEN -128 AND 127), sent_at TEXT NOT NULL, received_at TEXT NOT NULL,
		remote TEXT NOT NULL, sender TEXT NOT NULL, data TEXT NOT NULL CHECK (json_valid(data)),
		somebody TEXT GENERATED ALWAYS AS (nullif(sender, 'nobody')) NOT NULL, UNIQUE (id, seq, client)
	)`)
	exec(t, db, "CREATE UNIQUE INDEX mine ON messages (sender) WHERE sender <> ''")
	exec(t, db, `CREATE TRIGGER no BEFORE INSERT ON messages WHEN new.remote = '13'
		BEGIN SELECT raise(ABORT, 'unlucky'); END`)
	return open(t, path), db
}

// Bad messages among many good ones cost themselves, and nothing else but a little
// time.
func TestPoisonAmongMany(t *testing.T) {
	n, bad := long.Scale(3000, 100_000), long.Scale(16, 100)
	s, _ := strict(t)
	clean := load.Poisoned(t, s, n, 0, nil)

	s, db := strict(t)
	exec(t, db, "INSERT INTO messages VALUES ('x', 1, '', '', 0, '', '', '', 'me', '0')")
	// Somebody else's rows, under the keys of messages that will come.
	conflict := func(m *engine.Message) {
		exec(t, db, "INSERT INTO messages VALUES (?, ?, ?, 'other', 0, '', '', '', '', '0')", m.ID, m.Seq, m.Client)
	}
	poisoned := load.Poisoned(t, s, n, bad, []load.Poison{
		{Name: "op too long", Code: "275", Spoil: func(m *engine.Message) { m.Op = string(load.Text(300)) }},
		{Name: "out of range", Code: "275", Spoil: func(m *engine.Message) { m.Code = 128 }},
		{Name: "no JSON", Code: "275", Spoil: func(m *engine.Message) { m.Data = []byte(`{"n":`) }},
		{Name: "null", Code: "1299", Spoil: func(m *engine.Message) { m.Sender = "nobody" }},
		{Name: "another key", Code: "2067", Spoil: func(m *engine.Message) { m.Sender = "me" }},
		{Name: "trigger", Code: "1811", Spoil: func(m *engine.Message) { m.Remote = "13" }},
		{Name: "no UTF-8", Code: "", Spoil: func(m *engine.Message) { m.Data = []byte("\"\xff\"") }},
		{Name: "conflict", Code: "conflict", Spoil: conflict},
	})
	t.Logf("takes %.2f times as long as a clean run", poisoned.Seconds()/clean.Seconds())
	conflicts := bad / 8
	if n, want := count(t, db, "SELECT COUNT(*) FROM messages"), 1+n-bad+conflicts; n != want {
		t.Errorf("%d rows, not %d", n, want)
	}
	if n, want := count(t, db, "SELECT SUM(messages) FROM streams"), n-bad; n != want {
		t.Errorf("%d messages are counted, not %d", n, want)
	}
}

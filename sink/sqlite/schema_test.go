package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/sqlite"
)

// Tables that are not what the statements expect are refused at start, in words.
func TestSchemaIsChecked(t *testing.T) {
	for _, c := range []struct{ name, change, want string }{
		{"newer", "UPDATE ingest_meta SET version = 99", "version 99, and this program knows 1"},
		{"no column", "ALTER TABLE messages DROP COLUMN sender", `table "messages" has no column "sender"`},
		{"no column of streams", "ALTER TABLE streams RENAME COLUMN end_data TO x", `table "streams" has no column "end_data"`},
		{"no table", "DROP TABLE streams", `there is no table "streams"`},
		{
			"no key", "CREATE TABLE m AS SELECT * FROM messages; DROP TABLE messages; ALTER TABLE m RENAME TO messages",
			`table "messages" has no unique key on [client id seq]`,
		},
		{
			"no key of streams", "CREATE TABLE s AS SELECT * FROM streams; DROP TABLE streams; ALTER TABLE s RENAME TO streams",
			`table "streams" has no unique key on [id]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ingest.db")
			if err := open(t, path).Close(); err != nil {
				t.Fatal(err)
			}
			exec(t, reader(t, path), c.change)
			_, err := sqlite.Open(t.Context(), sqlite.Config{Path: path}, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, not %q", err, c.want)
			}
			if !engine.IsBlocked(err) {
				t.Errorf("is not blocked: %v", err)
			}
		})
	}
}

// Tables that somebody else has made, with more columns, do as well.
func TestForeignTables(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	exec(t, reader(t, path), `CREATE TABLE messages (
		n INTEGER PRIMARY KEY, seq INTEGER, id TEXT, client TEXT, op TEXT, code INTEGER, sent_at TEXT,
		received_at TEXT, remote TEXT, sender TEXT, data TEXT, seen INTEGER NOT NULL DEFAULT 0)`)
	exec(t, reader(t, path), "CREATE UNIQUE INDEX k ON messages (client, id, seq)")
	s := open(t, path)
	write(t, s, batch("17", 1, 70))
	write(t, s, batch("17", 1, 70))
	if n := count(t, reader(t, path), "SELECT COUNT(*) FROM messages WHERE seen = 0"); n != 70 {
		t.Errorf("%d rows, not 70", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// What happens to the tables of a running program blocks it, refuses nothing, and
// is mended without a restart.
func TestSchemaDrift(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	s, db := open(t, path), reader(t, path)
	write(t, s, batch("17", 1, 70))
	for _, c := range []struct{ break_, mend string }{
		{"ALTER TABLE messages RENAME TO gone", "ALTER TABLE gone RENAME TO messages"},
		{"ALTER TABLE messages RENAME COLUMN sender TO gone", "ALTER TABLE messages RENAME COLUMN gone TO sender"},
		{"ALTER TABLE streams RENAME TO gone", "ALTER TABLE gone RENAME TO streams"},
	} {
		exec(t, db, c.break_)
		next := count(t, db, "SELECT 1 + MAX(seq) FROM "+map[bool]string{true: "gone", false: "messages"}[strings.HasPrefix(c.break_, "ALTER TABLE messages RENAME TO")])
		_, err := s.Write(t.Context(), []engine.Batch{batch("17", next, next+70)})
		if !engine.IsBlocked(err) {
			t.Errorf("after %s: is not blocked: %v", c.break_, err)
		}
		exec(t, db, c.mend)
		write(t, s, batch("17", next, next+70))
	}
	if got, want := count(t, db, "SELECT messages FROM streams"), count(t, db, "SELECT COUNT(*) FROM messages"); got != want {
		t.Errorf("the stream counts %d messages, and has %d", got, want)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

package mysql_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink/internal/load"
	"github.com/ingestd/ingestd/sink/mysql"
)

// strict is a sink on a table that refuses much.
func strict(t *testing.T, server *mariadbtest.Server) (*mysql.Sink, *sql.DB) {
	t.Helper()
	dsn := server.DSN(t)
	s, db := open(t, config(dsn)), mariadbtest.DB(t, dsn)
	exec(t, db, "ALTER TABLE messages MODIFY code TINYINT NOT NULL, ADD CHECK (JSON_VALID(data))")
	exec(t, db, `CREATE TRIGGER altered BEFORE INSERT ON messages FOR EACH ROW
		SET NEW.sender = NULLIF(NEW.sender, 'nobody')`)
	return s, db
}

// Bad messages among many good ones cost themselves, and nothing else but a little
// time.
func TestPoisonAmongMany(t *testing.T) {
	server := mariadbtest.Shared(t)
	admin := mariadbtest.DB(t, server.Admin())
	exec(t, admin, "SET GLOBAL max_allowed_packet = 1048576")
	t.Cleanup(func() { mustExec(admin, "SET GLOBAL max_allowed_packet = DEFAULT") })
	n, bad := long.Scale(3000, 100_000), long.Scale(16, 100)
	s, _ := strict(t, server)
	clean := load.Poisoned(t, s, n, 0, nil)

	s, db := strict(t, server)
	// Somebody else's rows, under the keys of messages that will come.
	conflict := func(m *engine.Message) {
		exec(t, db, "INSERT INTO messages SET id = ?, seq = ?, client = ?, op = 'other', code = 0, sent_at = NOW(6),"+
			" received_at = NOW(6), remote = '', sender = '', data = '0'", m.ID, m.Seq, m.Client)
	}
	poisoned := load.Poisoned(t, s, n, bad, []load.Poison{
		{Name: "remote too long", Code: "1406", Spoil: func(m *engine.Message) { m.Remote = strings.Repeat("x", 300) }},
		{Name: "op too long", Code: "1406", Spoil: func(m *engine.Message) { m.Op = strings.Repeat("ü", 256) }},
		{Name: "out of range", Code: "1264", Spoil: func(m *engine.Message) { m.Code = 128 }},
		{Name: "null", Code: "1048", Spoil: func(m *engine.Message) { m.Sender = "nobody" }},
		{Name: "no JSON", Code: "4025", Spoil: func(m *engine.Message) { m.Data = []byte(`{"n":`) }},
		{Name: "no UTF-8", Code: "", Spoil: func(m *engine.Message) { m.Data = []byte("\"\xff\"") }},
		{Name: "too large", Code: "1153", Spoil: func(m *engine.Message) { m.Data = load.Text(1 << 20) }},
		{Name: "conflict", Code: "conflict", Spoil: conflict},
	})
	t.Logf("takes %.2f times as long as a clean run", poisoned.Seconds()/clean.Seconds())
	conflicts := bad / 8
	if n, want := count(t, db, "SELECT COUNT(*) FROM messages"), n-bad+conflicts; n != want {
		t.Errorf("%d rows, not %d", n, want)
	}
	if n, want := count(t, db, "SELECT SUM(messages) FROM streams"), n-bad; n != want {
		t.Errorf("%d messages are counted, not %d", n, want)
	}
}

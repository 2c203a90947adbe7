package drill

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink/mysql"
	"github.com/ingestd/ingestd/sink/sqlite"
)

// Each fault, planted in the tables of a real sink, shows in its own column.
func TestPlantedFaults(t *testing.T) {
	const other = 4611686018427387904 // a number that the server would give
	for _, c := range []struct {
		name   string
		faults []string
		want   Verdict
	}{
		{"none", nil, Verdict{Stored: 20}},
		{"lost", []string{
			"DELETE FROM messages WHERE id = '17' AND seq = 4", "UPDATE streams SET messages = 9 WHERE id = '17'",
		}, Verdict{Stored: 19, Lost: 1}},
		{"duplicated", []string{
			fmt.Sprintf("INSERT INTO messages SELECT id, %d, client, op, code, sent_at, received_at, remote, sender, data"+
				" FROM messages WHERE id = '17' AND seq = 4", other),
			fmt.Sprintf("UPDATE streams SET messages = 11, last_seq = %d WHERE id = '17'", other),
		}, Verdict{Stored: 20, Duplicated: 1}},
		{"out of order", []string{
			"UPDATE messages SET seq = 99 WHERE id = '17' AND seq = 4", "UPDATE streams SET last_seq = 99 WHERE id = '17'",
		}, Verdict{Stored: 20, OutOfOrder: 1}},
		{"altered", []string{
			"UPDATE messages SET data = REPLACE(data, '\"sum\":', '\"sum\": ') WHERE id = '17' AND seq = 4",
		}, Verdict{Stored: 20, Altered: 1}},
		{"another time", []string{
			"UPDATE messages SET sent_at = '2024-05-07 02:46:40.000005' WHERE id = '17' AND seq = 4",
		}, Verdict{Stored: 20, Altered: 1}},
		{"unexpected", []string{
			"INSERT INTO messages SELECT id, 11, client, op, code, sent_at, received_at, remote, sender, 'null'" +
				" FROM messages WHERE id = '17' AND seq = 4",
			"UPDATE streams SET messages = 11, last_seq = 11 WHERE id = '17'",
		}, Verdict{Stored: 20, Unexpected: 1}},
		{"a wrong count", []string{"UPDATE streams SET messages = 9 WHERE id = '17'"}, Verdict{Stored: 20, Miscounted: 1}},
		{"a wrong number", []string{"UPDATE streams SET first_seq = 2 WHERE id = '17'"}, Verdict{Stored: 20, Miscounted: 1}},
		{"no stream", []string{"DELETE FROM streams WHERE id = '17'"}, Verdict{Stored: 20, Miscounted: 1}},
		{"a stream of nothing", []string{"UPDATE streams SET id = '18' WHERE id = '17'"}, Verdict{Stored: 20, Miscounted: 2}},
	} {
		c.want.Sent, c.want.Acked = 20, 20
		t.Run(c.name+"/sqlite", func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ingest ?.db")
			tables, err := OpenSQLite(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path}, hclog.NewNullLogger())
			if err != nil {
				t.Fatal(err)
			}
			planted(t, s, tables, c.faults, c.want)
		})
		t.Run(c.name+"/mysql", func(t *testing.T) {
			dsn := mariadbtest.DSN(t)
			tables, err := OpenMySQL(t.Context(), dsn, "messages", "streams")
			if err != nil {
				t.Fatal(err)
			}
			cfg := mysql.DefaultConfig()
			cfg.DSN = engine.Secret(dsn)
			s, err := mysql.Open(t.Context(), cfg, hclog.NewNullLogger())
			if err != nil {
				t.Fatal(err)
			}
			planted(t, s, tables, c.faults, c.want)
			var left int
			err = tables.db.QueryRowContext(t.Context(),
				"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()").Scan(&left)
			if err != nil || left != 0 {
				t.Errorf("%d tables are left: %v", left, err)
			}
		})
	}
}

// planted stores ten messages of two ids, plants the faults, and judges.
func planted(t *testing.T, s engine.Sink, tables *Tables, faults []string, want Verdict) {
	t.Helper()
	ctx := context.Background()
	t.Cleanup(func() { _ = tables.Close() })
	l := NewLedger("named", true)
	var batches []engine.Batch
	for _, id := range []string{"17", "case/2 é"} {
		b := engine.Batch{ID: id}
		for range 10 {
			n := l.Next(id)
			b.Messages = append(b.Messages, engine.Message{
				ID: id, Seq: n, Client: "named", Op: "report", Code: Code(n), Time: Time(n), Received: Time(n),
				Data: testRun.Payload(Key{"named", id}, n),
			})
		}
		l.Acked(id, 10)
		batches = append(batches, b)
	}
	if _, err := s.Write(ctx, batches); err != nil {
		t.Fatal(err)
	}
	if n, last, err := tables.After(ctx, "named", "17", 3); n != 7 || last != 10 || err != nil {
		t.Errorf("after 3 there are %d to %d, %v", n, last, err)
	}
	for _, f := range faults {
		if _, err := tables.db.ExecContext(ctx, f); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
	}
	got, err := Verify(ctx, testRun, []*Ledger{l}, tables)
	if err != nil || got != want {
		t.Errorf("%+v, not %+v: %v", got, want, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := tables.Drop(ctx); err != nil {
		t.Error(err)
	}
}

// Only what the drill has made is dropped: neither the tables beside it, nor the
// table of versions where it was there before, or somebody has used it since.
func TestDropLeavesTheRest(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	open := func(prefix string) *Tables {
		t.Helper()
		tables, err := OpenMySQL(t.Context(), dsn, prefix+"messages", prefix+"streams")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tables.Close() })
		cfg := mysql.DefaultConfig()
		cfg.DSN, cfg.MessagesTable, cfg.StreamsTable = engine.Secret(dsn), prefix+"messages", prefix+"streams"
		s, err := mysql.Open(t.Context(), cfg, hclog.NewNullLogger())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		return tables
	}
	left := func(tables *Tables) string {
		t.Helper()
		var names string
		err := tables.db.QueryRowContext(t.Context(), "SELECT COALESCE(GROUP_CONCAT(table_name ORDER BY table_name), '')"+
			" FROM information_schema.tables WHERE table_schema = DATABASE()").Scan(&names)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	first, second := open("a_"), open("b_")
	for _, step := range []struct {
		drop *Tables
		want string
	}{{first, "b_messages,b_streams,ingest_meta"}, {second, "ingest_meta"}, {first, ""}, {first, ""}} {
		if err := step.drop.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := left(first); got != step.want {
			t.Errorf("left are %s, not %s", got, step.want)
		}
	}
}

// Nothing of a DSN is shown by an error.
func TestOpenMySQLHidesTheDSN(t *testing.T) {
	const secret = "pa55-w0rd"
	for _, dsn := range []string{"root:" + secret + "@tcp(127.0.0.1:1)/x", "root:" + secret + "@("} {
		_, err := OpenMySQL(t.Context(), dsn, "messages", "streams")
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("the error is %v", err)
		}
	}
}

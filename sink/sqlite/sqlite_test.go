package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
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

// However long the runs of a group are, and whatever else repeats, every row has its
// own columns, and the rows of a stream are in order.
func TestRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	s := open(t, path)
	var group []engine.Batch
	var want []string
	seq := int64(0)
	add := func(b *engine.Batch, n int, change func(*engine.Message)) {
		for range n {
			seq++
			m := engine.Message{
				ID: b.ID, Seq: seq, Client: "c", Op: "report", Code: seq % 3, Time: received.Add(-time.Duration(seq)),
				Received: received.Add(time.Duration(seq) * time.Microsecond), Remote: "r", Sender: "s",
				Data: fmt.Appendf(nil, "%d", seq),
			}
			change(&m)
			b.Messages = append(b.Messages, m)
			want = append(want, fmt.Sprint(m.ID, m.Seq, m.Client, m.Op, m.Code, m.Time.Format(sink.TimeLayout),
				m.Received.Format(sink.TimeLayout), m.Remote, m.Sender, string(m.Data)))
		}
	}
	same := func(*engine.Message) {}
	for _, n := range []int{1, 4, 5, 3, 6, 25, 2, 1, 1, 49, 50, 51, 9, 137} {
		b := engine.Batch{ID: fmt.Sprintf("%03d", len(group))}
		add(&b, n, same)
		group = append(group, b)
	}
	b := engine.Batch{ID: "900"}
	for _, change := range []func(*engine.Message){
		func(m *engine.Message) { m.Client = "d" },
		func(m *engine.Message) { m.Op = "other" },
		func(m *engine.Message) { m.Remote = "elsewhere" },
		func(m *engine.Message) { m.Sender = "" },
	} {
		add(&b, 30, same)
		add(&b, 30, change)
		add(&b, 1, change)
		add(&b, 2, same)
	}
	group = append(group, b)
	write(t, s, group...)

	rows, err := reader(t, path).QueryContext(t.Context(), "SELECT id, seq, client, op, code, CAST(sent_at AS TEXT),"+
		" CAST(received_at AS TEXT), remote, sender, data FROM messages ORDER BY rowid")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for k := range want {
		if !rows.Next() {
			t.Fatalf("%d rows, not %d: %v", k, len(want), rows.Err())
		}
		var id, client, op, sent, at, remote, sender, data string
		var seq, code int64
		if err := rows.Scan(&id, &seq, &client, &op, &code, &sent, &at, &remote, &sender, &data); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(id, seq, client, op, code, sent, at, remote, sender, data); got != want[k] {
			t.Errorf("row %d is %s, not %s", k, got, want[k])
		}
	}
	if rows.Next() {
		t.Error("there are more rows")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

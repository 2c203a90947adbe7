package deadletters

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink/mysql"
	"github.com/ingestd/ingestd/sink/sqlite"
)

// database is a real one with a sink for it. With its tables as they are after
// spoil, it refuses messages with data that says "long", and those with the code 13.
type database struct {
	open        func() (engine.Sink, error)
	db          *sql.DB
	spoil, mend []string
	codes       map[string]string // by what is wrong: the error's code
	reasons     map[string]string // and a part of its text
}

func sqliteDatabase(t *testing.T) *database {
	path := filepath.Join(t.TempDir(), "ingest.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &database{
		open: func() (engine.Sink, error) { return sqlite.Open(bg, sqlite.Config{Path: path}, nil) },
		db:   db,
		spoil: []string{
			`CREATE TRIGGER too_long BEFORE INSERT ON messages WHEN length(new.data) > 300 BEGIN SELECT RAISE(ABORT, 'too long for the table'); END`,
			`CREATE TRIGGER bad_code BEFORE INSERT ON messages WHEN new.code = 13 BEGIN SELECT RAISE(ABORT, 'no such status'); END`,
		},
		mend:    []string{`DROP TRIGGER too_long`, `DROP TRIGGER bad_code`},
		codes:   map[string]string{"long": "1811", "code": "1811", "conflict": "conflict"},
		reasons: map[string]string{"long": "too long for the table", "code": "no such status", "conflict": engine.ErrConflict.Error()},
	}
}

func mariaDatabase(t *testing.T) *database {
	dsn := mariadbtest.DSN(t)
	c := mysql.DefaultConfig()
	c.DSN = engine.Secret(dsn)
	return &database{
		open: func() (engine.Sink, error) { return mysql.Open(bg, c, nil) },
		db:   mariadbtest.DB(t, dsn),
		spoil: []string{
			`ALTER TABLE messages MODIFY data VARCHAR(300) NOT NULL`,
			`ALTER TABLE messages ADD CONSTRAINT bad_code CHECK (code <> 13)`,
		},
		mend:    []string{`ALTER TABLE messages MODIFY data LONGTEXT NOT NULL`, `ALTER TABLE messages DROP CONSTRAINT bad_code`},
		codes:   map[string]string{"long": "1406", "code": "4025", "conflict": "conflict"},
		reasons: map[string]string{"long": "Data too long", "code": "bad_code", "conflict": engine.ErrConflict.Error()},
	}
}

func (d *database) exec(t *testing.T, statements []string) {
	t.Helper()
	for _, s := range statements {
		if _, err := d.db.ExecContext(bg, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// with runs an engine and a replayer while f runs.
func (d *database) with(t *testing.T, s *Store, f func(e *engine.Engine)) {
	t.Helper()
	sink, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	o := engine.DefaultOptions()
	o.DeadLetters = s
	o.DataDir = t.TempDir()
	o.ShutdownTimeout = patience
	e, err := engine.New(sink, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(bg)
	var work sync.WaitGroup
	work.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	serve(t, &work, ctx, s, e)
	f(e)
	cancel()
	work.Wait()
}

// What a table refuses is in the dead letters, with the right reason, and all else is
// stored. Once the table is mended, a replay puts every message in its place.
func TestPoison(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { testPoison(t, sqliteDatabase(t)) })
	t.Run("mariadb", func(t *testing.T) { testPoison(t, mariaDatabase(t)) })
}

const poisonStreams = 40

// what says of the message n what is wrong with it: of a hundred of all, something.
func what(n, all int) string {
	if n%(all/100) != 7 {
		return ""
	}
	return []string{"long", "code"}[n/(all/100)%2]
}

// poisonMessage is the message n. Every other stream has a client with numbers, the
// others have the server's own.
func poisonMessage(n, all int) engine.Message {
	m := engine.Message{ID: fmt.Sprint("stream-", n%poisonStreams), Op: "report", Remote: "10.1.2.3:4", Data: fmt.Appendf(nil, `{"n": %d}`, n)}
	if n%2 == 0 {
		m.Client, m.Seq = "phone", int64(n+1)
	}
	switch what(n, all) {
	case "long":
		m.Data = fmt.Appendf(nil, `{"n": %d, "long": "%s"}`, n, strings.Repeat("x", 400))
	case "code":
		m.Code = 13
	}
	return m
}

func testPoison(t *testing.T, d *database) {
	all, s := long.Scale(10_000, 100_000), newStore(t)
	d.with(t, s, func(*engine.Engine) {}) // makes the tables
	d.exec(t, d.spoil)
	begun := time.Now()
	d.with(t, s, func(e *engine.Engine) {
		for n := range all {
			if err := e.Route(bg, poisonMessage(n, all), nil); err != nil {
				t.Fatal(err)
			}
		}
		conflict := poisonMessage(0, all)
		conflict.Data = []byte(`"other"`)
		if err := e.Route(bg, conflict, nil); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%d messages within %v", all, time.Since(begun).Round(time.Millisecond))
	if n := d.check(t); n != all-100 {
		t.Errorf("%d rows, want %d", n, all-100)
	}
	checkPoison(t, d, s, all)

	// What the table refuses still is refused again, and nothing else happens to it.
	d.with(t, s, func(*engine.Engine) { settled(t, s, mark(t, s, Filter{Limit: 20})) })
	checkPoison(t, d, s, all)

	d.exec(t, d.mend)
	d.with(t, s, func(*engine.Engine) {
		if o := settled(t, s, mark(t, s, Filter{})); o != (Outcome{Asked: 101, Stored: 100, Refused: 1}) {
			t.Errorf("%+v", o)
		}
	})
	total(t, s, 1) // the conflict
	if n := d.check(t); n != all {
		t.Errorf("%d rows, want %d", n, all)
	}
}

// checkPoison looks for each of the hundred, and the conflict.
func checkPoison(t *testing.T, d *database, s *Store, n int) {
	t.Helper()
	want := make(map[string]string) // what is wrong, by data
	for i := range n {
		if w := what(i, n); w != "" {
			want[string(poisonMessage(i, n).Data)] = w
		}
	}
	want[`"other"`] = "conflict"
	letters := all(t, s, Filter{})
	if len(letters) != 101 {
		t.Errorf("%d letters, want 101", len(letters))
	}
	for _, l := range letters {
		w := want[string(l.Message.Data)]
		delete(want, string(l.Message.Data))
		if w == "" || l.Code != d.codes[w] || !strings.Contains(l.Reason, d.reasons[w]) || l.Sink != "test" ||
			l.Attempts < 1 || l.Refused.IsZero() || l.Message.Remote != "10.1.2.3:4" {
			t.Errorf("%s: %+v", w, l)
		}
	}
}

// check looks whether each stream has its messages in the order in which they were
// accepted: those that are missing leave a gap. It tells how many rows there are.
func (d *database) check(t *testing.T) (n int) {
	t.Helper()
	rows, err := d.db.QueryContext(bg, "SELECT id, data FROM messages ORDER BY id, seq")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	last := make(map[string]int)
	for ; rows.Next(); n++ {
		var id, data string
		if err := rows.Scan(&id, &data); err != nil {
			t.Fatal(err)
		}
		var at int
		if _, err := fmt.Sscanf(data, `{"n": %d`, &at); err != nil {
			t.Fatalf("%s: %q: %v", id, data, err)
		}
		if before, ok := last[id]; ok && at <= before {
			t.Fatalf("%s: %d is stored after %d", id, at, before)
		}
		last[id] = at
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

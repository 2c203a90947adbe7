package e2e

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // reads what was stored

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// store is a database that a daemon writes and the judge reads.
type store struct {
	t    *testing.T
	args []string // lead a daemon there
	db   *sql.DB
}

// sqliteStore is what a daemon in dir writes without any configuration.
func sqliteStore(t *testing.T, dir string) *store {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ingest.db")+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &store{t, nil, db}
}

// mysqlStore is the database that dsn names.
func mysqlStore(t *testing.T, dsn string) *store {
	t.Helper()
	return &store{t, []string{"--set=sink.mysql.dsn=" + dsn}, mariadbtest.DB(t, dsn)}
}

// bothStores runs a test with SQLite and with MariaDB.
func bothStores(t *testing.T, test func(t *testing.T, dir string, s *store)) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		test(t, dir, sqliteStore(t, dir))
	})
	t.Run("mysql", func(t *testing.T) { test(t, t.TempDir(), mysqlStore(t, mariadbtest.DSN(t))) })
}

// rows are all messages, each stream's in its order.
func (s *store) rows() (rows []row) {
	s.t.Helper()
	result, err := s.db.QueryContext(context.Background(), "SELECT id, seq, client, data FROM messages ORDER BY id, seq, client")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = result.Close() }()
	for result.Next() {
		var x row
		if err := result.Scan(&x.id, &x.seq, &x.client, &x.data); err != nil {
			s.t.Fatal(err)
		}
		rows = append(rows, x)
	}
	if err := result.Err(); err != nil {
		s.t.Fatal(err)
	}
	return rows
}

// number is the result of a query for one number.
func (s *store) number(query string, args ...any) (n int) {
	s.t.Helper()
	if err := s.db.QueryRowContext(context.Background(), query, args...).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// text is the result of a query for one text; NULL is empty.
func (s *store) text(query string, args ...any) string {
	s.t.Helper()
	var text sql.NullString
	if err := s.db.QueryRowContext(context.Background(), query, args...).Scan(&text); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return text.String
}

// streams checks that each stream's row says what its messages say. It returns how
// many streams there are.
func (s *store) streams() int {
	s.t.Helper()
	if n := s.number(`SELECT count(*) FROM streams s LEFT JOIN (
		SELECT id, count(*) AS n, min(seq) AS low, max(seq) AS high FROM messages GROUP BY id
	) m ON m.id = s.id WHERE s.messages <> coalesce(m.n, 0) OR s.first_seq <> m.low OR s.last_seq <> m.high`); n != 0 {
		s.t.Errorf("the rows of %d streams do not say what their messages say", n)
	}
	if n := s.number(`SELECT count(DISTINCT m.id) FROM messages m LEFT JOIN streams s ON s.id = m.id WHERE s.id IS NULL`); n != 0 {
		s.t.Errorf("%d streams have messages and no row", n)
	}
	return s.number("SELECT count(*) FROM streams")
}

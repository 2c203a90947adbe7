package mariadbtest_test

import (
	"testing"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// What was committed is there after a kill -9, and the server can be halted.
func TestServer(t *testing.T) {
	s := mariadbtest.Shared(t)
	dsn := s.DSN(t)
	db := mariadbtest.DB(t, dsn)
	for _, query := range []string{"CREATE TABLE t (n INT)", "INSERT INTO t VALUES (1)"} {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	s.Kill()
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("the server answers after it was killed")
	}
	s.Restart(t)
	s.Stop()
	s.Cont()
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT n FROM t").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}

// Every call has a database of its own.
func TestDSN(t *testing.T) {
	if a, b := mariadbtest.DSN(t), mariadbtest.DSN(t); a == b {
		t.Errorf("twice %s", a)
	}
}

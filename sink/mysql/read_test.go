package mysql_test

import (
	"testing"

	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink"
	"github.com/ingestd/ingestd/sink/mysql"
)

// What is read waits for nobody's locks, and takes none of the connections that
// write.
func TestReadBesideAWriter(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	c := config(dsn)
	c.Writers = 1
	s := open(t, c)
	if want := (sink.Pool{Open: 1, Max: 1, Opened: 1}); s.Pool() != want {
		t.Errorf("at the start the pool is %+v", s.Pool())
	}
	write(t, s, batch("17", 1, 30))
	tx, err := mariadbtest.DB(t, dsn).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), "DELETE FROM messages WHERE seq = 30"); err != nil {
		t.Fatal(err)
	}
	stored, err := s.Read(t.Context(), "17", 3)
	if err != nil || len(stored.Messages) != 3 || stored.Messages[0].Seq != 30 || stored.Stream.Messages != 30 {
		t.Errorf("%+v, %v", stored, err)
	}
	if want := (sink.Pool{Open: 1, Max: 1, Opened: 1}); s.Pool() != want {
		t.Errorf("after a read the pool is %+v", s.Pool())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// People are told what the server is.
func TestProduct(t *testing.T) {
	if p := opened(t, config(mariadbtest.DSN(t))).Product(); p != "MariaDB" {
		t.Errorf("it is called %s", p)
	}
	if p := new(mysql.Sink).Product(); p != "MySQL" {
		t.Errorf("before it was reached it is called %s", p)
	}
}

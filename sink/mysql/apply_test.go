package mysql_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink"
	"github.com/ingestd/ingestd/sink/internal/applytest"
	"github.com/ingestd/ingestd/sink/internal/load"
)

// hooked is a database with a table of the host program's own. Sinks reach it
// through the DSN that they are given, where that is not empty.
func hooked(t testing.TB, dsn, through string) *applytest.Database {
	t.Helper()
	db := mariadbtest.DB(t, dsn)
	exec(t, db, "CREATE TABLE totals (id VARBINARY(255) NOT NULL PRIMARY KEY, n INT NOT NULL, CHECK (n < 1000)) ENGINE = InnoDB")
	exec(t, db, "CREATE PROCEDURE hidden() COMMIT")
	if through == "" {
		through = dsn
	}
	return &applytest.Database{
		Open: func(t testing.TB, apply sink.Apply) engine.Sink {
			c := config(through)
			c.Apply = apply
			return open(t, c)
		},
		DB:     db,
		Add:    "INSERT INTO totals VALUES (?, 1) ON DUPLICATE KEY UPDATE n = n + 1",
		Check:  "4025",
		Hidden: "CALL hidden()",
	}
}

func TestApply(t *testing.T) {
	applytest.Run(t, func(t *testing.T) *applytest.Database { return hooked(t, mariadbtest.DSN(t), "") })
}

// A statement that commits by the way is refused before it is run, and leaves
// nothing behind.
func TestApplyCommitsByTheWay(t *testing.T) {
	d := hooked(t, mariadbtest.DSN(t), "")
	query := ""
	s := d.Open(t, func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
		if err := d.Adds()(ctx, tx, fresh); err != nil {
			return err
		}
		_, _ = tx.ExecContext(ctx, query)
		return nil
	})
	defer func() { _ = s.Close() }()
	for _, query = range []string{
		"CREATE TABLE IF NOT EXISTS today (n INT)", "drop table totals", "TRUNCATE totals", "LOCK TABLES totals WRITE",
	} {
		_, err := s.Write(t.Context(), []engine.Batch{batch("a", 1, 3)})
		if !engine.IsBlocked(err) {
			t.Errorf("%s: is not blocked: %v", query, err)
		}
		d.Exact(t, 0)
	}
	query = "CREATE TEMPORARY TABLE IF NOT EXISTS scratch (n INT) ENGINE = InnoDB"
	write(t, s, batch("a", 1, 3))
	d.Exact(t, 3)
}

// A statement of Apply that is larger than the server takes is the fault of a
// message, and not one that passes.
func TestApplyPacket(t *testing.T) {
	server := mariadbtest.Shared(t)
	admin := mariadbtest.DB(t, server.Admin())
	exec(t, admin, "SET GLOBAL max_allowed_packet = 1048576")
	t.Cleanup(func() { mustExec(admin, "SET GLOBAL max_allowed_packet = DEFAULT") })
	dsn := server.DSN(t)
	d := hooked(t, dsn, "")
	s := d.Open(t, func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
		if err := d.Adds()(ctx, tx, fresh); err != nil || len(fresh[0].Messages) != 2 {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE totals SET n = n WHERE id = ?", load.Text(2<<20))
		return err
	})
	defer func() { _ = s.Close() }()
	_, err := s.Write(t.Context(), []engine.Batch{batch("a", 1, 2)})
	if !engine.IsPermanent(err) || engine.ErrorCode(err) != "1153" {
		t.Errorf("is not permanent, with the code 1153, but %q: %v", engine.ErrorCode(err), err)
	}
	d.Exact(t, 0)
	write(t, s, batch("a", 1, 3))
	d.Exact(t, 3)
}

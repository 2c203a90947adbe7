package mysql_test

import (
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink"
	"github.com/ingestd/ingestd/sink/internal/applytest"
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

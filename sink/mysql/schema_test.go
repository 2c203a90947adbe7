package mysql_test

import (
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink/mysql"
)

// Tables that are not what the statements expect are refused at start, in words.
func TestSchemaIsChecked(t *testing.T) {
	for _, c := range []struct {
		name, change string
		create       bool
		want         string
	}{
		{"newer", "UPDATE ingest_meta SET version = 99", true, "version 99, and this program knows 1"},
		{"newer, not ours to make", "UPDATE ingest_meta SET version = 99", false, "version 99, and this program knows 1"},
		{"older, not ours to make", "UPDATE ingest_meta SET version = 0", false, "set create_tables"},
		{"no column", "ALTER TABLE messages DROP COLUMN sender", true, `table "messages" has no column "sender"`},
		{"no column of streams", "ALTER TABLE streams DROP COLUMN end_data", true, `table "streams" has no column "end_data"`},
		{"no table", "DROP TABLE messages", false, `there is no table "messages"`},
		{"no table of streams", "DROP TABLE streams", false, `there is no table "streams"`},
		{"no key", "ALTER TABLE messages DROP PRIMARY KEY", true, `table "messages" has no unique key on (client,id,seq)`},
		{"a key too many", "ALTER TABLE messages DROP PRIMARY KEY, ADD PRIMARY KEY (id, seq)", true, "has no unique key"},
		{"a short key", "ALTER TABLE messages DROP PRIMARY KEY, ADD UNIQUE KEY (id(10), seq, client)", true, "has no unique key"},
		{"text for id", "ALTER TABLE messages MODIFY id VARCHAR(255) NOT NULL", true, `column "id" of table "messages" is VARCHAR, and must be VARBINARY`},
		{"latin1", "ALTER TABLE messages MODIFY data LONGTEXT CHARACTER SET latin1", true, "must have utf8mb4"},
		{"no transactions", "ALTER TABLE streams ENGINE = MyISAM", true, "which knows no transactions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dsn := mariadbtest.DSN(t)
			if err := open(t, config(dsn)).Close(); err != nil {
				t.Fatal(err)
			}
			exec(t, mariadbtest.DB(t, dsn), c.change)
			config := config(dsn)
			config.CreateTables = c.create
			_, err := mysql.Open(t.Context(), config, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, not %q", err, c.want)
			}
			if !engine.IsBlocked(err) {
				t.Errorf("is not blocked: %v", err)
			}
		})
	}
}

// Tables that an operator has made do without ingest_meta and without the right
// to make any.
func TestTablesMadeByHand(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	if err := open(t, config(dsn)).Close(); err != nil {
		t.Fatal(err)
	}
	db := mariadbtest.DB(t, dsn)
	exec(t, db, "DROP TABLE ingest_meta")
	exec(t, db, "ALTER TABLE messages DROP PRIMARY KEY, ADD COLUMN n BIGINT AUTO_INCREMENT PRIMARY KEY FIRST,"+
		" ADD UNIQUE KEY (client, seq, id)")
	c := config(dsn)
	c.CreateTables = false
	s := opened(t, c)
	write(t, s, batch("a", 1, 120))
	write(t, s, batch("a", 1, 121))
	if n := count(t, db, "SELECT messages FROM streams"); n != 121 {
		t.Errorf("%d messages, not 121", n)
	}
	if n := count(t, db, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"); n != 2 {
		t.Errorf("%d tables, not 2", n)
	}
}

// A user without the right to make tables can write those that are there, and is
// told which one is missing.
func TestTablesAreThere(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	write(t, opened(t, config(dsn)), batch("a", 1, 3))
	db := mariadbtest.DB(t, dsn)
	parsed, err := driver.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	user := "'" + parsed.DBName[len(parsed.DBName)-12:] + "'@'%'"
	exec(t, db, "CREATE USER "+user+" IDENTIFIED BY 'secret'")
	t.Cleanup(func() { _, _ = db.Exec("DROP USER " + user) })
	exec(t, db, "GRANT SELECT, INSERT, UPDATE ON "+parsed.DBName+".* TO "+user)
	parsed.User, parsed.Passwd = parsed.DBName[len(parsed.DBName)-12:], "secret"
	c := config(parsed.FormatDSN())
	write(t, opened(t, c), batch("a", 4, 5))
	if n := count(t, db, "SELECT messages FROM streams"); n != 5 {
		t.Errorf("%d messages, not 5", n)
	}
	c.MessagesTable = "missing"
	if _, err := mysql.Open(t.Context(), c, nil); err == nil || !engine.IsBlocked(err) ||
		!strings.Contains(err.Error(), "CREATE command denied") {
		t.Errorf("not told that the table cannot be made: %v", err)
	}
}

// The table of streams may be named later; so may several sinks share a database.
func TestTablesAreMade(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	c := config(dsn)
	c.StreamsTable = ""
	write(t, opened(t, c), batch("a", 1, 3))
	write(t, opened(t, config(dsn)), batch("a", 1, 5))
	c.MessagesTable, c.StreamsTable = "other", "other streams"
	write(t, opened(t, c), batch("a", 1, 3))
	db := mariadbtest.DB(t, dsn)
	if n := count(t, db, "SELECT COUNT(*) FROM ingest_meta"); n != 2 {
		t.Errorf("%d versions, not 2", n)
	}
	if n := count(t, db, "SELECT messages FROM `other streams`"); n != 3 {
		t.Errorf("%d messages, not 3", n)
	}
}

// What an operator changes under a running program blocks it, refuses nothing,
// and is mended without a restart.
func TestSchemaDrift(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	s, db := opened(t, config(dsn)), mariadbtest.DB(t, dsn)
	write(t, s, batch("a", 1, 70))
	for k, c := range []struct{ spoil, mend string }{
		{"RENAME TABLE messages TO gone", "RENAME TABLE gone TO messages"},
		{"ALTER TABLE messages CHANGE sender gone VARCHAR(255)", "ALTER TABLE messages CHANGE gone sender VARCHAR(255)"},
		{"ALTER TABLE messages ADD COLUMN more INT NOT NULL", "ALTER TABLE messages DROP COLUMN more"},
		{"RENAME TABLE streams TO gone", "RENAME TABLE gone TO streams"},
	} {
		group := []engine.Batch{batch("a", 1000*k+1, 1000*k+70)}
		exec(t, db, c.spoil)
		_, err := s.Write(t.Context(), group)
		if !engine.IsBlocked(err) {
			t.Errorf("after %s: is not blocked: %v", c.spoil, err)
		}
		exec(t, db, c.mend)
		write(t, s, group...)
	}
	if got, want := count(t, db, "SELECT messages FROM streams"), count(t, db, "SELECT COUNT(*) FROM messages"); got != want {
		t.Errorf("the stream counts %d messages, and has %d", got, want)
	}
}

package mysql_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink/mysql"
)

func TestConfigValidate(t *testing.T) {
	const dsn = "u:geheim@tcp(127.0.0.1:3306)/db"
	for _, c := range []struct {
		name   string
		change func(c *mysql.Config)
		want   []string
	}{
		{"default", func(*mysql.Config) {}, nil},
		{"no streams", func(c *mysql.Config) { c.StreamsTable = "" }, nil},
		{"no dsn", func(c *mysql.Config) { c.DSN = "" }, []string{"dsn: must be set"}},
		{"no database", func(c *mysql.Config) { c.DSN = "u:geheim@tcp(h)/" }, []string{"dsn: names no database"}},
		{"no slash", func(c *mysql.Config) { c.DSN = "u:geheim@tcp(h)" }, []string{"dsn: cannot be read"}},
		{"bad network", func(c *mysql.Config) { c.DSN = "u:x@geheim/db" }, []string{"dsn: cannot be read"}},
		{"bad parameter", func(c *mysql.Config) { c.DSN = dsn + "?timeout=geheim" }, []string{"dsn: cannot be read"}},
		{"found rows", func(c *mysql.Config) { c.DSN = dsn + "?clientFoundRows=true" }, []string{"dsn: must not set clientFoundRows"}},
		{"all at once", func(c *mysql.Config) {
			c.DSN, c.MessagesTable, c.StreamsTable, c.Writers = dsn+"?multiStatements=true", "", "a\nb", 0
		}, []string{"dsn: must not set multiStatements", "messages_table: must name", "streams_table: is no name", "writers: must be 1 to 64, not 0"}},
		{"same table", func(c *mysql.Config) { c.StreamsTable = "Messages" }, []string{"streams_table: must not be the messages_table"}},
		{"meta", func(c *mysql.Config) { c.MessagesTable = "ingest_meta" }, []string{"messages_table: must not be ingest_meta"}},
		{"long", func(c *mysql.Config) { c.MessagesTable = strings.Repeat("x", 65) }, []string{"messages_table: is no name"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := config(dsn)
			c.change(&config)
			err := config.Validate()
			if (err != nil) != (c.want != nil) {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Errorf("%q shows the password", err)
			}
		})
	}
}

// with is dsn with other settings.
func with(t testing.TB, dsn string, change func(cfg *driver.Config)) string {
	t.Helper()
	cfg, err := driver.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	change(cfg)
	return cfg.FormatDSN()
}

// Errors of configuration are blocked, say where, and show no password, neither
// do the logs.
func TestOpenErrors(t *testing.T) {
	server := mariadbtest.Shared(t)
	dsn := server.DSN(t)
	db := mariadbtest.DB(t, dsn)
	exec(t, db, "CREATE USER IF NOT EXISTS 'poor'@'%' IDENTIFIED BY 'geheim'")
	t.Cleanup(func() { mustExec(db, "DROP USER 'poor'@'%'") })
	for _, c := range []struct {
		name    string
		change  func(cfg *driver.Config)
		want    string
		blocked bool
	}{
		{"wrong password", func(cfg *driver.Config) { cfg.Passwd = "not geheim" }, "Access denied", true},
		{"no access", func(cfg *driver.Config) { cfg.User = "poor" }, "Access denied", true},
		{"no database", func(cfg *driver.Config) { cfg.DBName, cfg.User, cfg.Passwd = "nowhere", "root", "" }, "Unknown database", true},
		{"no server", func(cfg *driver.Config) { cfg.Addr = "127.0.0.1:1" }, "connection refused", false},
		{"no TLS", func(cfg *driver.Config) { cfg.TLSConfig = "true" }, "does not support TLS", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			logger := hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Trace})
			config := config(with(t, dsn, func(cfg *driver.Config) {
				cfg.User, cfg.Passwd = "poor", "geheim"
				c.change(cfg)
			}))
			_, err := mysql.Open(t.Context(), config, logger)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, not %q", err, c.want)
			}
			if engine.IsBlocked(err) != c.blocked {
				t.Errorf("blocked is %v: %v", !c.blocked, err)
			}
			if !strings.HasPrefix(err.Error(), "mysql ") {
				t.Errorf("does not say where: %v", err)
			}
			if all := log.String() + err.Error() + fmt.Sprintf("%+v %#v", config, config); strings.Contains(all, "geheim") {
				t.Errorf("the password is shown: %s", all)
			}
		})
	}
}

func TestString(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	cfg, err := driver.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	s := opened(t, config(dsn))
	if want := "mysql " + cfg.User + "@" + cfg.Addr + "/" + cfg.DBName; s.String() != want {
		t.Errorf("%q, not %q", s, want)
	}
}

// Whatever the server and the DSN say, the session is as it must be.
func TestSession(t *testing.T) {
	server := mariadbtest.Shared(t)
	dsn := server.DSN(t)
	admin := mariadbtest.DB(t, server.Admin())
	exec(t, admin, "SET GLOBAL sql_mode = '', GLOBAL time_zone = '+08:00', GLOBAL character_set_server = latin1")
	t.Cleanup(func() { mustExec(admin, "SET GLOBAL sql_mode = DEFAULT, GLOBAL time_zone = DEFAULT") })
	db := mariadbtest.DB(t, dsn)
	exec(t, db, "ALTER DATABASE CHARACTER SET latin1")
	s := opened(t, config(with(t, dsn, func(cfg *driver.Config) {
		cfg.Params = map[string]string{"sql_mode": "''", "time_zone": "'+05:00'"}
		cfg.InterpolateParams, cfg.ParseTime = true, true
	})))
	b := batch("a", 1, 3)
	b.Messages[0].Data = []byte(`"😀"`)
	b.Messages[1].Op = strings.Repeat("x", 256)
	_, err := s.Write(t.Context(), []engine.Batch{b})
	rejected(t, err, 0, 1)
	b.Messages[1].Op = strings.Repeat("ä", 255)
	write(t, s, b)
	var sent string
	if err := db.QueryRow("SELECT sent_at FROM messages WHERE data = '\"😀\"'").Scan(&sent); err != nil {
		t.Fatal(err)
	}
	if want := "2024-05-07 03:33:20.000000"; sent != want {
		t.Errorf("sent_at is %s, not %s", sent, want)
	}
}

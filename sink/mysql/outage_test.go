package mysql_test

import (
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink/internal/applytest"
	"github.com/ingestd/ingestd/sink/internal/load"
)

// site is a sink under load, whose user has no more rights than it needs.
type site struct {
	*testing.T
	server *mariadbtest.Server
	admin  *sql.DB
	name   string // of the database
	db     *applytest.Database
	engine *load.Engine
	sent   int

	enough chan struct{} // closed: no more load
	done   sync.WaitGroup
}

func newSite(t *testing.T) *site {
	t.Helper()
	server := mariadbtest.Shared(t)
	dsn := server.DSN(t)
	s := &site{T: t, server: server, admin: mariadbtest.DB(t, server.Admin()), enough: make(chan struct{})}
	s.admin.SetMaxOpenConns(1)
	through := with(t, dsn, func(cfg *driver.Config) {
		s.name, cfg.User, cfg.Passwd = cfg.DBName, "ingest", "secret"
		cfg.Logger = &driver.NopLogger{}
	})
	s.exec("CREATE USER ingest IDENTIFIED BY 'secret'", "GRANT ALL ON {db}.* TO ingest")
	t.Cleanup(func() { mustExec(s.admin, "DROP USER ingest") })
	s.db = hooked(t, dsn, through)
	s.db.DB.SetMaxIdleConns(0)
	exec(t, s.db.DB, "ALTER TABLE totals DROP CONSTRAINT CONSTRAINT_1")
	o := load.Options()
	o.Writers, o.MaxPending, o.GroupSize = 2, 64*engine.KiB, 100
	s.engine = load.Run(t, s.db.Open(t, s.db.Adds()), o)
	s.done.Go(s.load)
	return s
}

// load sends without end, as fast as the engine takes it.
func (s *site) load() {
	for {
		for id := range 20 {
			s.engine.Send(load.Message(fmt.Sprint("stream-", id), s.sent/20+1))
			s.sent++
		}
		select {
		case <-s.enough:
			return
		default:
		}
	}
}

// flows waits until some messages are stored that come only now.
func (s *site) flows() {
	s.Helper()
	s.engine.Wait(s.engine.Stored() + long.Scale(300, 2000))
}

// exact ends the load and checks that nothing is lost, doubled or refused.
func (s *site) exact() {
	s.Helper()
	close(s.enough)
	s.done.Wait()
	s.engine.Wait(0)
	s.engine.Close()
	if letters := s.engine.Letters(); len(letters) > 0 {
		s.Errorf("%d messages were refused", len(letters))
	}
	s.db.Exact(s, s.sent)
	stats := s.engine.Stats()
	s.Logf("%d messages, %d writes of %d failed, %d messages were stored already", s.sent, stats.Retries.Transient, stats.Groups, stats.Duplicates)
}

func (s *site) exec(queries ...string) {
	s.Helper()
	for _, query := range queries {
		exec(s, s.admin, strings.ReplaceAll(query, "{db}", s.name))
	}
}

// disconnect ends the sink's connections.
func (s *site) disconnect() {
	s.Helper()
	rows, err := s.admin.QueryContext(s.Context(), "SELECT id FROM information_schema.processlist WHERE user = 'ingest'")
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var kill []string
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			s.Fatal(err)
		}
		kill = append(kill, fmt.Sprint("KILL ", id))
	}
	if err := rows.Err(); err != nil {
		s.Fatal(err)
	}
	if err := rows.Close(); err != nil { // there is but one connection
		s.Fatal(err)
	}
	for _, query := range kill {
		_, _ = s.admin.ExecContext(s.Context(), query) // it may have gone by itself
	}
}

// fails waits until the sink has failed for a while, at last with an error that
// has the text.
func (s *site) fails(want string) error {
	s.Helper()
	s.engine.Fail(long.Scale(5, 600))
	for {
		if err := s.engine.Fail(1)[0]; strings.Contains(err.Error(), want) {
			return err
		}
	}
}

// What an operator has broken refuses no message: it is blocked, and goes on by
// itself once it is mended.
func TestDrift(t *testing.T) {
	const columns = "ALTER TABLE {db}.messages "
	for _, c := range []struct {
		name       string
		breaks     []string
		mends      []string
		want       string
		transient  bool
		disconnect bool
	}{
		{
			name:   "drop-column",
			breaks: []string{columns + "DROP COLUMN remote"},
			mends:  []string{columns + "ADD COLUMN remote VARCHAR(255) NOT NULL"},
			want:   "Error 1054",
		},
		{
			name:   "rename-column",
			breaks: []string{columns + "CHANGE data body LONGTEXT NOT NULL"},
			mends:  []string{columns + "CHANGE body data LONGTEXT NOT NULL"},
			want:   "Error 1054",
		},
		{
			name:   "new-column",
			breaks: []string{"ALTER TABLE {db}.streams ADD COLUMN owner INT NOT NULL"},
			mends:  []string{"ALTER TABLE {db}.streams DROP COLUMN owner"},
			want:   "Error 1364",
		},
		{
			name:   "rename-table",
			breaks: []string{"RENAME TABLE {db}.messages TO {db}.elsewhere"},
			mends:  []string{"RENAME TABLE {db}.elsewhere TO {db}.messages"},
			want:   "Error 1146",
		},
		{
			name:   "table-of-apply",
			breaks: []string{"RENAME TABLE {db}.totals TO {db}.elsewhere"},
			mends:  []string{"RENAME TABLE {db}.elsewhere TO {db}.totals"},
			want:   "Apply: add: Error 1146",
		},
		{
			name:       "revoke-insert",
			breaks:     []string{"REVOKE INSERT ON {db}.* FROM ingest"},
			mends:      []string{"GRANT INSERT ON {db}.* TO ingest"},
			want:       "Error 1142",
			disconnect: true,
		},
		{
			name:       "password",
			breaks:     []string{"ALTER USER ingest IDENTIFIED BY 'other'"},
			mends:      []string{"ALTER USER ingest IDENTIFIED BY 'secret'"},
			want:       "Error 1045",
			disconnect: true,
		},
		{
			name: "no-database",
			breaks: []string{
				"CREATE DATABASE {db}_away", "RENAME TABLE {db}.messages TO {db}_away.messages," +
					" {db}.streams TO {db}_away.streams, {db}.totals TO {db}_away.totals", "DROP DATABASE {db}",
			},
			mends: []string{
				"CREATE DATABASE {db}", "RENAME TABLE {db}_away.messages TO {db}.messages," +
					" {db}_away.streams TO {db}.streams, {db}_away.totals TO {db}.totals", "DROP DATABASE {db}_away",
			},
			want:       "Error 1049",
			disconnect: true,
		},
		{
			name:      "read-only", // a server that is about to be replaced
			breaks:    []string{"SET GLOBAL read_only = ON"},
			mends:     []string{"SET GLOBAL read_only = OFF"},
			transient: true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.flows()
			s.exec(c.breaks...)
			if c.disconnect {
				s.disconnect()
			}
			err := s.fails(c.want)
			if engine.IsBlocked(err) == c.transient || engine.IsPermanent(err) {
				t.Errorf("has the wrong class: %v", err)
			}
			s.exec(c.mends...)
			s.flows()
			s.exact()
		})
	}
}

// A server that takes no more connections is left alone, until it does again.
func TestTooManyConnections(t *testing.T) {
	s := newSite(t)
	s.flows()
	holders := mariadbtest.DB(t, s.server.Admin())
	for range 10 {
		c, err := holders.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	s.exec("SET GLOBAL max_connections = 10")
	defer mustExec(s.admin, "SET GLOBAL max_connections = DEFAULT")
	s.disconnect()
	if err := s.fails("Error 1040"); engine.IsBlocked(err) || engine.IsPermanent(err) {
		t.Errorf("is not transient: %v", err)
	}
	s.exec("SET GLOBAL max_connections = DEFAULT")
	s.flows()
	s.exact()
}

// Connections that are killed, again and again, in whatever statement.
func TestKilledConnections(t *testing.T) {
	s := newSite(t)
	for range long.Scale(20, 500) {
		s.engine.Wait(s.engine.Stored() + 100)
		s.disconnect()
	}
	s.flows()
	s.exact()
}

// A server that is killed, again and again, and comes back.
func TestKilledServer(t *testing.T) {
	s := newSite(t)
	s.admin.SetMaxIdleConns(0)
	for range long.Scale(2, 20) {
		s.flows()
		s.server.Kill()
		s.engine.Fail(3)
		s.server.Restart(t)
	}
	s.flows()
	s.exact()
}

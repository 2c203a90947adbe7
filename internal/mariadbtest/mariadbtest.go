// Package mariadbtest gives tests a real MariaDB: a private server on a temporary
// directory and a free port of the loopback address, which may be killed, stopped
// and started again, and which dies with the test process.
//
// A package that uses it hands its TestMain to [Main]:
//
//	func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }
package mariadbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// EnvDSN names a server for tests to use instead of a private one:
// user:password@tcp(host:3306)/. They make databases there, and drop them.
const EnvDSN = "INGEST_MYSQL_DSN"

var shared struct {
	sync.Mutex
	server *Server
	err    error
}

// Main runs the tests and stops the shared server. It returns the exit status.
func Main(m *testing.M) int {
	defer func() {
		shared.Lock()
		defer shared.Unlock()
		if shared.server != nil {
			shared.server.Remove()
		}
	}()
	return m.Run()
}

// Shared is the private server of this test process, started at the first call.
// A test that kills or stops it starts it again before it ends, and runs by
// itself.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = Start()
	}
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.server
}

// New is a private server for this test alone.
func New(tb testing.TB) *Server {
	tb.Helper()
	s, err := Start()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Remove)
	return s
}

// DSN leads to an empty database, which is dropped when the test ends. It is on
// the server that [EnvDSN] names, or else on the shared one.
func DSN(tb testing.TB) string {
	tb.Helper()
	if dsn := os.Getenv(EnvDSN); dsn != "" {
		cfg, err := mysql.ParseDSN(dsn)
		if err != nil {
			tb.Fatalf("%s cannot be read", EnvDSN)
		}
		return database(tb, cfg)
	}
	return Shared(tb).DSN(tb)
}

// DB opens a connection pool of its own to dsn, for a test to look at what was
// stored; it is closed when the test ends.
func DB(tb testing.TB, dsn string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// database makes an empty database on the server of cfg.
func database(tb testing.TB, cfg *mysql.Config) string {
	tb.Helper()
	cfg = cfg.Clone()
	cfg.Logger = &mysql.NopLogger{}
	cfg.DBName = ""
	admin := cfg.FormatDSN()
	name := "ingest_test_" + rand.Text()[:12]
	execute(tb, admin, "CREATE DATABASE "+name)
	tb.Cleanup(func() { execute(tb, admin, "DROP DATABASE IF EXISTS "+name) })
	cfg.DBName = name
	return cfg.FormatDSN()
}

func execute(tb testing.TB, dsn, query string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	db, err := sql.Open("mysql", dsn)
	if err == nil {
		_, err = db.ExecContext(ctx, query)
		_ = db.Close()
	}
	if err != nil {
		tb.Errorf("%s: %v", query, err)
	}
}

// startTimeout is how long the server may take to answer.
const startTimeout = 60 * time.Second

// errMissing says what to install.
func errMissing(program string) error {
	return fmt.Errorf("%s is not installed: apt-get install mariadb-server, or set %s to a server to use",
		program, EnvDSN)
}

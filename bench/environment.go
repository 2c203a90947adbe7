package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// environment is what all cases share: a directory, and a database server, which
// the first case that needs it starts.
type environment struct {
	dir    string
	runs   int
	server *mariadbtest.Server
	admin  *sql.DB
}

func newEnvironment() (*environment, error) {
	dir, err := os.MkdirTemp("", "ingestd-bench-")
	if err != nil {
		return nil, err
	}
	return &environment{dir: dir}, nil
}

func (e *environment) close() {
	if e.admin != nil {
		_ = e.admin.Close()
	}
	if e.server != nil {
		e.server.Remove()
	}
	_ = os.RemoveAll(e.dir)
}

// newDir makes an empty directory for one run.
func (e *environment) newDir() (dir string, remove func(), err error) {
	e.runs++
	dir = filepath.Join(e.dir, fmt.Sprint(e.runs))
	return dir, func() { _ = os.RemoveAll(dir) }, os.Mkdir(dir, 0o700)
}

// mariadb starts the server, unless it runs. It has the memory that it has by
// itself, and syncs every commit.
func (e *environment) mariadb(ctx context.Context) error {
	if e.server != nil {
		return nil
	}
	s, err := mariadbtest.Start("--innodb-buffer-pool-size=128M")
	if err != nil {
		return err
	}
	e.server = s
	if e.admin, err = sql.Open("mysql", s.Admin()); err != nil {
		return err
	}
	var flush int
	err = e.admin.QueryRowContext(ctx, "SELECT @@innodb_flush_log_at_trx_commit").Scan(&flush)
	if err == nil && flush != 1 {
		err = fmt.Errorf("innodb_flush_log_at_trx_commit is %d, not 1", flush)
	}
	return err
}

// newDatabase makes an empty database for one run.
func (e *environment) newDatabase(ctx context.Context) (dsn string, drop func(), err error) {
	if err := e.mariadb(ctx); err != nil {
		return "", nil, err
	}
	e.runs++
	name := fmt.Sprintf("bench_%d", e.runs)
	if _, err := e.admin.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	cfg, err := mysql.ParseDSN(e.server.Admin())
	if err != nil {
		return "", nil, err
	}
	cfg.DBName = name
	return cfg.FormatDSN(), func() { _, _ = e.admin.ExecContext(context.Background(), "DROP DATABASE "+name) }, nil
}

// databasePid is the process of the server, or 0 where there is none.
func (e *environment) databasePid() int {
	if e.server == nil {
		return 0
	}
	return e.server.Pid()
}

// Between two looks at the server it may compute so long, and is calm.
const (
	calmLook  = 100 * time.Millisecond
	calmShare = 0.03
	calmMost  = 5 * time.Second
)

// settle writes to disk what earlier runs have left, and waits until the database
// server has nothing left to do in the background.
func (e *environment) settle(ctx context.Context) error {
	syscall.Sync()
	pid := e.databasePid()
	if pid == 0 {
		return nil
	}
	for begun := time.Now(); time.Since(begun) < calmMost; {
		before, err := cpuTime(pid)
		if err != nil {
			return err
		}
		select {
		case <-time.After(calmLook):
		case <-ctx.Done():
			return ctx.Err()
		}
		after, err := cpuTime(pid)
		if err != nil {
			return err
		}
		if float64(after-before) < calmShare*float64(calmLook) {
			return nil
		}
	}
	return nil
}

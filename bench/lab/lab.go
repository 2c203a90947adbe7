// Package lab is what benchmarks are run in: a directory, a database server, and a
// look at processes and at the machine.
package lab

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// Lab is what all runs share: a directory, and a database server, which the first
// run that needs it starts.
type Lab struct {
	dir    string
	runs   int
	server *mariadbtest.Server
	admin  *sql.DB
}

// New makes one without a server.
func New() (*Lab, error) {
	dir, err := os.MkdirTemp("", "ingestd-bench-")
	if err != nil {
		return nil, err
	}
	return &Lab{dir: dir}, nil
}

// Close stops the server, and removes everything.
func (l *Lab) Close() {
	if l.admin != nil {
		_ = l.admin.Close()
	}
	if l.server != nil {
		l.server.Remove()
	}
	_ = os.RemoveAll(l.dir)
}

// NewDir makes an empty directory for one run.
func (l *Lab) NewDir() (dir string, remove func(), err error) {
	l.runs++
	dir = filepath.Join(l.dir, strconv.Itoa(l.runs))
	return dir, func() { _ = os.RemoveAll(dir) }, os.Mkdir(dir, 0o700)
}

// mariadb starts the server, unless it runs. It has the memory that it has by
// itself, and syncs every commit.
func (l *Lab) mariadb(ctx context.Context) error {
	if l.server != nil {
		return nil
	}
	s, err := mariadbtest.Start("--innodb-buffer-pool-size=128M")
	if err != nil {
		return err
	}
	l.server = s
	if l.admin, err = sql.Open("mysql", s.Admin()); err != nil {
		return err
	}
	var flush int
	err = l.admin.QueryRowContext(ctx, "SELECT @@innodb_flush_log_at_trx_commit").Scan(&flush)
	if err == nil && flush != 1 {
		err = fmt.Errorf("innodb_flush_log_at_trx_commit is %d, not 1", flush)
	}
	return err
}

// NewDatabase makes an empty database for one run.
func (l *Lab) NewDatabase(ctx context.Context) (dsn string, drop func(), err error) {
	if err := l.mariadb(ctx); err != nil {
		return "", nil, err
	}
	l.runs++
	name := fmt.Sprintf("bench_%d", l.runs)
	if _, err := l.admin.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	cfg, err := mysql.ParseDSN(l.server.Admin())
	if err != nil {
		return "", nil, err
	}
	cfg.DBName = name
	return cfg.FormatDSN(), func() { _, _ = l.admin.ExecContext(context.Background(), "DROP DATABASE "+name) }, nil
}

// DatabasePid is the process of the server; 0: there is none.
func (l *Lab) DatabasePid() int {
	if l.server == nil {
		return 0
	}
	return l.server.Pid()
}

// Between two looks at the server it may compute so long, and is calm.
const (
	calmLook  = 100 * time.Millisecond
	calmShare = 0.03
	calmMost  = 5 * time.Second
)

// Settle writes to disk what earlier runs have left, and waits until the database
// server has nothing left to do in the background.
func (l *Lab) Settle(ctx context.Context) error {
	syscall.Sync()
	pid := l.DatabasePid()
	if pid == 0 {
		return nil
	}
	for begun := time.Now(); time.Since(begun) < calmMost; {
		before, err := CPUTime(pid)
		if err != nil {
			return err
		}
		select {
		case <-time.After(calmLook):
		case <-ctx.Done():
			return ctx.Err()
		}
		after, err := CPUTime(pid)
		if err != nil {
			return err
		}
		if float64(after-before) < calmShare*float64(calmLook) {
			return nil
		}
	}
	return nil
}

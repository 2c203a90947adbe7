package main

import (
	"bytes"
	"context"
	"database/sql"
	"debug/buildinfo"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// environment is what all cases share: the programs, a directory, and a database
// server, which the first case that needs it starts.
type environment struct {
	options
	dir    string
	runs   int
	server *mariadbtest.Server
	admin  *sql.DB
}

func newEnvironment(o options) (*environment, error) {
	for _, file := range []*string{&o.ingestd, &o.bento, &o.configs} {
		path, err := filepath.Abs(*file)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			return nil, err
		}
		*file = path
	}
	dir, err := os.MkdirTemp("", "ingestd-peers-")
	return &environment{options: o, dir: dir}, err
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
	dir = filepath.Join(e.dir, strconv.Itoa(e.runs))
	return dir, func() { _ = os.RemoveAll(dir) }, os.Mkdir(dir, 0o700)
}

// startServer starts the server, unless it runs. It syncs every commit.
func (e *environment) startServer(ctx context.Context) error {
	if e.server != nil {
		return nil
	}
	var err error
	if e.server, err = mariadbtest.Start("--innodb-buffer-pool-size=128M"); err != nil {
		return err
	}
	if e.admin, err = sql.Open("mysql", e.server.Admin()); err != nil {
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
	name := fmt.Sprintf("peers_%d", e.runs)
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

// freeAddress is one where nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// Between two looks at the server it may compute so long, and is calm.
const (
	calmLook  = 200 * time.Millisecond
	calmTime  = 10 * time.Millisecond
	calmLooks = 25
)

// settle writes to disk what earlier runs have left, and waits until the database
// server has nothing left to do in the background.
func (e *environment) settle(ctx context.Context) error {
	syscall.Sync()
	for range calmLooks {
		if e.server == nil {
			return nil
		}
		before, err := cpuTime(e.server.Pid())
		if err != nil {
			return err
		}
		select {
		case <-time.After(calmLook):
		case <-ctx.Done():
			return ctx.Err()
		}
		if after, err := cpuTime(e.server.Pid()); err != nil || after-before <= calmTime {
			return err
		}
	}
	return nil
}

// ticks is how many there are in a second, in what Linux says of processes.
const ticks = 100

// cpuTime is how long a process has computed, in its own code and in the kernel.
func cpuTime(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name before it may have spaces.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const user, system = 11, 12
	if len(fields) <= system {
		return 0, fmt.Errorf("process %d does not tell its time", pid)
	}
	u, err1 := strconv.ParseInt(string(fields[user]), 10, 64)
	s, err2 := strconv.ParseInt(string(fields[system]), 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("process %d does not tell its time", pid)
	}
	return time.Duration(u+s) * time.Second / ticks, nil
}

// peakMemory is the most memory that a process has had, in bytes.
func peakMemory(pid int) (int64, error) {
	kib, err := strconv.ParseInt(strings.TrimSuffix(procField(fmt.Sprintf("/proc/%d/status", pid), "VmHWM"), " kB"), 10, 64)
	return kib << 10, err
}

// procField is the first value of that name in a file of the kernel.
func procField(path, name string) string {
	text, _ := os.ReadFile(path)
	for line := range bytes.Lines(text) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if ok && string(bytes.TrimSpace(key)) == name {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// machine says what this one is.
func (e *environment) machine(ctx context.Context) string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	memory, _ := strconv.ParseFloat(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 64)
	s := fmt.Sprintf("%d cores of %s, %.0f GB of memory, Linux %s, %s", runtime.NumCPU(),
		procField("/proc/cpuinfo", "model name"), memory*1024/1e9, strings.TrimSpace(string(kernel)), runtime.Version())
	if e.admin != nil {
		var version string
		_ = e.admin.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version)
		s += ", MariaDB " + version
	}
	commit, _ := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	return s + fmt.Sprintf("; ingestd at commit `%s` with %s; Bento with %s", bytes.TrimSpace(commit),
		versions(e.ingestd, "modernc.org/sqlite"), versions(e.bento, "github.com/warpstreamlabs/bento", "modernc.org/sqlite"))
}

// versions are those of modules in a program.
func versions(program string, modules ...string) string {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err.Error()
	}
	var found []string
	for _, m := range info.Deps {
		if slices.Contains(modules, m.Path) {
			found = append(found, m.Path+" "+m.Version)
		}
	}
	return strings.Join(found, ", ")
}

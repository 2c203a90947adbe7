package lab

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // tells its version

	"github.com/ingestd/ingestd/bench/report"
)

// Machine says what this one is; what cannot be found out stays empty.
func (l *Lab) Machine(ctx context.Context) report.Machine {
	m := report.Machine{
		CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Go: runtime.Version(),
		Commit: commit(ctx), Date: time.Now().UTC().Format(time.DateOnly),
		SQLite: sqliteVersion(ctx),
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(kernel))
	kib, _ := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	m.Memory = kib << 10
	if l.admin != nil {
		_ = l.admin.QueryRowContext(ctx, "SELECT VERSION()").Scan(&m.MariaDB)
	}
	return m
}

// field is the first value of that name in a file of the kernel.
func field(path, name string) string {
	text, _ := os.ReadFile(path)
	for line := range bytes.Lines(text) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if ok && string(bytes.TrimSpace(key)) == name {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// commit is that of the checkout, marked where something of it is not committed.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// sqliteVersion is that of the library.
func sqliteVersion(ctx context.Context) (version string) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return ""
	}
	defer func() { _ = db.Close() }()
	_ = db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version)
	return version
}

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/ingestd/ingestd/bench/report"
)

// machine says what this one is; what cannot be found out stays empty.
func (e *environment) machine(ctx context.Context) report.Machine {
	m := report.Machine{
		CPU: procField("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Go: runtime.Version(),
		Commit: commit(ctx), Date: time.Now().UTC().Format(time.DateOnly), SQLite: sqliteVersion(ctx),
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(kernel))
	kib, _ := strconv.ParseInt(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	m.Memory = kib << 10
	if e.admin != nil {
		_ = e.admin.QueryRowContext(ctx, "SELECT VERSION()").Scan(&m.MariaDB)
	}
	return m
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

// commit is that of the checkout, marked where something of it is not committed.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

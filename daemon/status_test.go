package daemon

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestExitStatuses(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "broken.hcl"), "router {\n  batch_size = 0\n}\n")
	write(t, filepath.Join(dir, "file"), "")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := taken.Addr().String()

	for _, c := range []struct {
		name string
		args []string
		want int
		says string
	}{
		{"help", []string{"--help"}, 0, ""},
		{"help on a command", []string{"run", "--help"}, 0, ""},
		{"help as a command", []string{"help"}, 0, ""},
		{"help as a command on a command", []string{"help", "check"}, 0, ""},
		{"version", []string{"version"}, 0, ""},
		{"version as a flag", []string{"--version"}, 0, ""},
		{"example", []string{"example-config"}, 0, ""},
		{"check", []string{"check"}, 0, ""},
		{"check and connect", []string{"check", "--connect"}, 0, ""},
		{"unknown command", []string{"walk"}, 2, "walk"},
		{"unknown flag", []string{"run", "--fast"}, 2, "--fast"},
		{"flag without a value", []string{"run", "--config"}, 2, "--config"},
		{"no such file", []string{"run", "--config", "none.hcl"}, 2, "none.hcl"},
		{"broken file", []string{"run", "--config", "broken.hcl"}, 2, "broken.hcl:2:16: batch_size: must be at least 1"},
		{"broken file checked", []string{"check", "--config", "broken.hcl"}, 2, "1 mistake; nothing was started."},
		{"broken value", []string{"--set", "router.batch_wait=5"}, 2, "--set router.batch_wait=5:"},
		{
			"port taken",
			[]string{"--set", "transport.websocket.listen=" + port},
			3,
			`"open transport.websocket: listen tcp ` + port + `: bind: address already in use; --set transport.websocket.listen=ADDRESS:PORT chooses another"`,
		},
		{
			"admin port taken", append(free[:1:1], "--set", "admin.listen="+port), 3,
			"address already in use; --set admin.listen=ADDRESS:PORT chooses another",
		},
		{"no database", []string{"--set", "sink.mysql.dsn=u:p@tcp(127.0.0.1:1)/x"}, 3, "connection refused"},
		{"no database to check", []string{"check", "--connect", "--set", "sink.mysql.dsn=u:p@tcp(127.0.0.1:1)/x"}, 3, "connection refused"},
		{"no directory for the database", []string{"--set", "sink.sqlite.path=none/ingest.db"}, 3, "none"},
		{"no data directory", []string{"--set", "data_dir=file/data"}, 3, "data_dir"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, stderr := run(t, dir, c.args...)
			if status != c.want || !strings.Contains(stderr, c.says) {
				t.Errorf("status %d, wanted %d and %q in:\n%s", status, c.want, c.says, stderr)
			}
		})
	}
}

// A wrong configuration leaves no trace.
func TestNothingIsStartedOnMistakes(t *testing.T) {
	dir := t.TempDir()
	if status, _, _ := run(t, dir, "--set", "router.batch_size=0"); status != 2 {
		t.Errorf("status %d", status)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestConfigurationIsFound(t *testing.T) {
	dir := t.TempDir()
	check := func(want string, args ...string) {
		t.Helper()
		status, stdout, stderr := run(t, dir, append([]string{"check"}, args...)...)
		if status != 0 || !strings.Contains(stdout, "batch_size   = "+want) {
			t.Errorf("check %v: status %d, batch_size is not %s:\n%s%s", args, status, want, stdout, stderr)
		}
	}
	for name, size := range map[string]string{"config": "1", "environment": "2", "flag": "3"} {
		write(t, filepath.Join(dir, name+".hcl"), "router {\n  batch_size = "+size+"\n}\n")
	}
	check("1")
	t.Setenv("INGESTD_CONFIG", "environment.hcl")
	check("2")
	check("3", "--config", "flag.hcl")
	check("4", "--config", "flag.hcl", "--set", "router.batch_size=4")
	t.Setenv("INGESTD_CONFIG", "none.hcl")
	if status, _, stderr := run(t, dir, "check"); status != 2 || !strings.Contains(stderr, "that $INGESTD_CONFIG names: open none.hcl") {
		t.Errorf("a missing file of the environment's: status %d\n%s", status, stderr)
	}
	t.Setenv("INGESTD_CONFIG", "")
	check("1")
	if err := os.Remove(filepath.Join(dir, "config.hcl")); err != nil {
		t.Fatal(err)
	}
	check("10")
}

func TestVersionAsJSON(t *testing.T) {
	_, stdout, _ := run(t, t.TempDir(), "version", "--json")
	var v version
	if err := json.Unmarshal([]byte(stdout), &v); err != nil || v.Go == "" || v.Version == "" {
		t.Errorf("%q: %v", stdout, err)
	}
}

func TestSecondDaemonOnADataDirectory(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir, free...)
	first.await("ready")
	status, _, stderr := run(t, dir, free...)
	holder := "process " + strconv.Itoa(first.cmd.Process.Pid)
	if status != 3 || !strings.Contains(stderr, holder) {
		t.Errorf("status %d; the first one, %s, is not named:\n%s", status, holder, stderr)
	}
	first.signal(syscall.SIGKILL)
	first.wait()
	third := start(t, dir, free...)
	third.await("ready")
	third.signal(syscall.SIGTERM)
	if status := third.wait(); status != 0 {
		t.Errorf("after a kill -9 of the first, status %d", status)
	}
}

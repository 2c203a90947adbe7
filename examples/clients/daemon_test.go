package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "modernc.org/sqlite" // reads what was stored
)

// daemon is an ingestd that is killed and started again at the same address.
type daemon struct {
	t    *testing.T
	dir  string
	addr string
	args []string
	cmd  *exec.Cmd
	log  *os.File
	db   *sql.DB
}

// start runs ingestd until the test ends.
func start(t *testing.T, args ...string) *daemon {
	t.Helper()
	// What is sent is stored when the clients ask for it, not because time passes.
	args = append([]string{"--set=router.batch_wait=1h"}, args...)
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ingest.db")+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, dir: dir, addr: freeAddr(t), args: args, log: log, db: db}
	t.Cleanup(func() {
		d.kill()
		_, _ = db.Close(), log.Close()
		if t.Failed() {
			t.Logf("ingestd says:\n%s", d.says())
		}
	})
	d.start()
	return d
}

// freeAddr is an address that stays free while the daemon is down: none of the
// ports that the system gives to those who connect.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

// start runs it, and waits until it is ready.
func (d *daemon) start() {
	d.t.Helper()
	before := len(d.says())
	d.cmd = exec.Command(ingestd, append([]string{"--set=transport.websocket.listen=" + d.addr, "--set=admin.listen="}, d.args...)...)
	d.cmd.Dir, d.cmd.Stderr = d.dir, d.log
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	eventually(d.t, "ingestd is ready", func() bool { return strings.Contains(d.says()[before:], "ready: ") })
}

// kill ends it as kill -9 does.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

// stop drains it.
func (d *daemon) stop() {
	d.t.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("ingestd: %v", err)
	}
}

func (d *daemon) says() string {
	d.t.Helper()
	text, err := os.ReadFile(d.log.Name())
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

func (d *daemon) url() string { return "ws://" + d.addr + "/ws" }

// stored waits until there are n rows more than there are now.
func (d *daemon) stored(n int) {
	d.t.Helper()
	n += d.rows()
	eventually(d.t, fmt.Sprintf("%d messages are stored", n), func() bool { return d.rows() >= n })
}

func (d *daemon) rows() (n int) {
	d.t.Helper()
	if err := d.db.QueryRowContext(context.Background(), "SELECT count(*) FROM messages").Scan(&n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

// refuse makes the database refuse one reading.
func (d *daemon) refuse(reading int) {
	d.t.Helper()
	_, err := d.db.ExecContext(context.Background(), fmt.Sprintf(`CREATE TRIGGER refuse BEFORE INSERT ON messages
		WHEN json_extract(NEW.data, '$.reading') = %d BEGIN SELECT RAISE(ABORT, 'poison'); END`, reading))
	if err != nil {
		d.t.Fatal(err)
	}
}

// program is a running client.
type program struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

// run runs a client until the test ends.
func run(t *testing.T, env []string, name string, args ...string) *program {
	t.Helper()
	if _, err := os.ReadDir("."); err != nil { // so `go test` runs again where one has changed
		t.Fatal(err)
	}
	p := &program{Cmd: exec.Command(name, args...)}
	p.Stdout, p.Stderr = &p.stdout, io.Writer(&p.stderr)
	p.Env = append(os.Environ(), env...)
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-p.Process.Pid, syscall.SIGKILL) // a browser is many processes
		_ = p.Wait()
		if t.Failed() {
			t.Logf("the client says:\n%s%s", &p.stdout, &p.stderr)
		}
	})
	return p
}

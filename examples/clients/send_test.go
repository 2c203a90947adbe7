package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// programs are the clients that run in a terminal.
var programs = []struct {
	name string
	run  func(t *testing.T, args ...string) *program
}{
	{"node", func(t *testing.T, args ...string) *program {
		t.Helper()
		// Only Debian's own Node looks for Debian's packages by itself.
		env := []string{"NODE_PATH=" + os.Getenv("NODE_PATH") + ":/usr/share/nodejs"}
		check := exec.Command("node", "-e", `globalThis.WebSocket ?? require("ws")`)
		check.Env = append(os.Environ(), env...)
		if out, err := check.CombinedOutput(); err != nil {
			t.Fatalf("install Node, and the package ws (Debian: nodejs, node-ws): %v\n%s", err, out)
		}
		return run(t, env, "node", append([]string{"send.mjs"}, args...)...)
	}},
	{"python", func(t *testing.T, args ...string) *program {
		t.Helper()
		// The first may be one that was built without Debian's packages.
		for _, python := range []string{"python3", "/usr/bin/python3"} {
			if exec.Command(python, "-c", "import websockets").Run() == nil {
				env := []string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=error", "PYTHONASYNCIODEBUG=1"}
				return run(t, env, python, append([]string{"send.py"}, args...)...)
			}
		}
		t.Fatal("install Python, and the package websockets (Debian: python3-websockets)")
		return nil
	}},
}

// term asks a client to end, waits until it has, and gives its exit status.
func (p *program) term(t *testing.T) int {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { _ = p.Process.Kill() })
	defer late.Stop()
	_ = p.Wait()
	if said := p.stderr.String(); strings.Contains(said, "Traceback") || strings.Contains(said, "    at ") {
		t.Error("it failed on its way")
	}
	return p.ProcessState.ExitCode()
}

// The daemon is killed twice while a client sends, and refuses one message: all
// others are stored once, in order, when the client has ended.
func TestKilled(t *testing.T) {
	for _, c := range programs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := start(t)
			d.refuse(poison)
			p := c.run(t, d.url(), "test-"+c.name, "0")
			for range 2 {
				d.stored(200)
				d.kill()
				d.start()
			}
			d.stored(200)
			status := p.term(t)
			sent, refused := summary(t, p.stdout.String())
			if status != 1 || refused != 1 || strings.Count(p.stderr.String(), "refused: rejected: ") != 1 {
				t.Errorf("status %d, %d refused: one must be, and be reported", status, refused)
			}
			d.stop()
			d.judge(sent, poison)
		})
	}
}

// The daemon has room for two of the three streams: the messages of one are turned
// away with `retry`, and with them those that follow, until they come again in order.
func TestRetry(t *testing.T) {
	for _, c := range programs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := start(t, "--set=router.max_streams=2", "--set=log.level=debug")
			p := c.run(t, d.url(), "test-"+c.name, "0")
			d.stored(500)
			if status := p.term(t); status != 0 {
				t.Errorf("status %d", status)
			}
			sent, _ := summary(t, p.stdout.String())
			d.stop()
			d.judge(sent)
			if !strings.Contains(d.says(), "too_many_streams") {
				t.Error("void: nothing was turned away")
			}
		})
	}
}

// A server that asks for tokens stores what clients send that show theirs.
func TestToken(t *testing.T) {
	const token = "some-token-0123456789"
	t.Setenv("INGEST_TOKEN", token)
	config := filepath.Join(t.TempDir(), "config.hcl")
	text := fmt.Sprintf("transport \"websocket\" {\n  auth {\n    token \"test\" {\n      value = %q\n    }\n  }\n}\n", token)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range programs {
		t.Run(c.name, func(t *testing.T) {
			d := start(t, "--config="+config)
			p := c.run(t, d.url(), "test-"+c.name, "0")
			d.stored(20)
			if status := p.term(t); status != 0 {
				t.Errorf("status %d", status)
			}
			sent, _ := summary(t, p.stdout.String())
			d.stop()
			d.judge(sent)
		})
	}
}

// A client of the same name that starts again goes on above its old numbers.
func TestStartedAgain(t *testing.T) {
	for _, c := range programs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := start(t)
			all := 0
			for range 2 {
				p := c.run(t, d.url(), "test-"+c.name, "0")
				d.stored(20)
				if status := p.term(t); status != 0 {
					t.Errorf("status %d", status)
				}
				sent, _ := summary(t, p.stdout.String())
				all += sent
			}
			d.stop()
			if rows := d.rows(); rows != all {
				t.Errorf("%d rows: %d were sent", rows, all)
			}
		})
	}
}

// A client that is told to end while the daemon is away waits for it, and is
// ended by a second signal.
func TestSecondSignal(t *testing.T) {
	for _, c := range programs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := start(t)
			p := c.run(t, d.url(), "test-"+c.name, "0")
			d.stored(10)
			d.kill()
			_ = p.Process.Signal(syscall.SIGTERM)
			ended := make(chan struct{})
			go func() {
				_ = p.Wait()
				close(ended)
			}()
			eventually(t, "a second signal ends it", func() bool {
				_ = p.Process.Signal(syscall.SIGTERM)
				select {
				case <-ended:
					return true
				default:
					return false
				}
			})
			if p.ProcessState.Success() {
				t.Error("it says that all is well")
			}
		})
	}
}

package daemon

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"
)

// A running daemon is shown, and so is that it is away, and that it is back.
func TestStatus(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, free...)
	at := "--url=" + p.admin()
	status, stdout, stderr := run(t, dir, "status", at)
	if status != 0 || !strings.HasPrefix(stdout, "ready ") || strings.Contains(stdout, "\x1b") {
		t.Errorf("exit status %d:\n%s%s", status, stdout, stderr)
	}
	status, stdout, _ = run(t, dir, "status", at, "--json")
	var st struct {
		Ready bool
		Parts []any
	}
	if err := json.Unmarshal([]byte(stdout), &st); status != 0 || err != nil || !st.Ready || len(st.Parts) == 0 {
		t.Errorf("exit status %d, %v:\n%s", status, err, stdout)
	}

	watch := startOnTerminal(t, dir, []string{"TERM=xterm", "NO_COLOR="}, "status", "--watch", at)
	watch.await(times(2, "ready  "))
	address := strings.TrimPrefix(p.admin(), "http://")
	p.signal(syscall.SIGTERM)
	p.wait()
	watch.await(times(1, "unreachable"))
	p = start(t, dir, "--set=transport.websocket.listen=127.0.0.1:0", "--set=admin.listen="+address)
	p.await("ready: ")
	watch.await(func(said string) bool {
		_, after, _ := strings.Cut(said, "unreachable")
		return strings.Contains(after, "ready  ")
	})
	said, status := watch.stop()
	if status != 0 || !strings.HasPrefix(said, watchBegin) || !strings.Contains(said, watchEnd) {
		t.Errorf("exit status %d: %q", status, said)
	}
	pictures := strings.Split(said, "\x1b[?2026h")[1:]
	for _, picture := range pictures {
		// Nothing is wiped before it is drawn, and nothing makes the screen scroll.
		if strings.Contains(picture, "\x1b[2J") || strings.Count(picture, "\n") > 23 {
			t.Errorf("%q", picture)
		}
	}
	if !strings.Contains(said, "\x1b[32m") {
		t.Errorf("there are no colours: %q", said)
	}

	plain := startOnTerminal(t, dir, []string{"TERM=xterm", "NO_COLOR=1"}, "status", at)
	plain.await(times(1, "dead letters"))
	if plain.read.Wait(); strings.Contains(plain.said.String(), "\x1b") {
		t.Errorf("colours: %q", plain.said.String())
	}

	p.signal(syscall.SIGTERM)
	p.wait()
	status, stdout, stderr = run(t, dir, "status", at, "--json")
	if status != 1 || !strings.HasPrefix(stdout, `{"ready":false,"reason":"ask http://`) || !strings.Contains(stderr, "Is it running?") {
		t.Errorf("exit status %d:\n%s%s", status, stdout, stderr)
	}
}

package browser

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// lookers are the functions that run because somebody looks, or may look later: the
// admin server, what it asks the parts for, and /metrics.
var lookers = regexp.MustCompile(`ingestd/(daemon/internal/(admin|api)|metrics)[./]` +
	`|ingestd/daemon\.\(\*(look|daemon)\)|ingestd/daemon\.\(\*parts\)\.sample` +
	`|ingestd/engine\.\(\*Engine\)\.(Busiest|Stats|Stream|Health)\b|prometheus/client_golang`)

// spent reads a profile of the daemon: how long it has computed, and how much of it
// because somebody looks. What the collector of garbage does in the background
// belongs to nobody in a profile.
func spent(t *testing.T, profile []byte) (looking, all time.Duration) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cpu.pprof")
	if err := os.WriteFile(path, profile, 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := exec.CommandContext(t.Context(), "go", "tool", "pprof", "-traces", "-unit=us", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	looking, all, err = attribute(text)
	if err != nil {
		t.Fatal(err)
	}
	return looking, all
}

// attribute adds up the samples that pprof prints: each begins with its value and
// the innermost function, and its callers follow.
func attribute(text []byte) (looking, all time.Duration, err error) {
	var stack []string
	var value time.Duration
	add := func() {
		all += value
		if forLooking(stack) {
			looking += value
		}
		stack, value = stack[:0], 0
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	begun := false
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "-----------+") {
			add()
			begun = true
			continue
		}
		fields := strings.Fields(line)
		if !begun || len(fields) == 0 {
			continue
		}
		if len(stack) == 0 {
			if value, err = time.ParseDuration(fields[0]); err != nil {
				return 0, 0, err
			}
			fields = fields[1:]
		}
		stack = append(stack, fields[0])
	}
	add()
	return looking, all, lines.Err()
}

// forLooking judges a stack, the innermost function first.
func forLooking(stack []string) bool {
	server := false
	for i, f := range stack {
		switch {
		case strings.HasPrefix(f, "net/http/pprof."):
			return false // the profile itself
		case strings.HasSuffix(f, ").Route") && strings.Contains(f, "admin.(*Tap)"):
			// Every message comes through it: what it calls is for looking only where
			// it is the tap's own.
			return i == 0 || server || looks(stack[:i])
		case strings.HasPrefix(f, "net/http."):
			server = true
		case strings.Contains(f, "ingestd/transport."):
			return looks(stack[:i]) // connections of clients began as requests
		}
	}
	return server || looks(stack)
}

func looks(stack []string) bool {
	for _, f := range stack {
		if lookers.MatchString(f) {
			return true
		}
	}
	return false
}

// What is attributed to looking, and what is not.
func TestAttribution(t *testing.T) {
	const text = `File: ingestd
Type: cpu
Duration: 1s, Total samples = 150ms
-----------+-------------------------------------------------------
     10ms   runtime.mapiternext
             github.com/ingestd/ingestd/engine.(*shard).busiest
             github.com/ingestd/ingestd/engine.(*Engine).Busiest
             github.com/ingestd/ingestd/daemon/internal/admin.(*busiest).look
-----------+-------------------------------------------------------
    100ms   github.com/ingestd/ingestd/engine.(*Engine).Route
             github.com/ingestd/ingestd/daemon/internal/admin.(*Tap).Route
             github.com/ingestd/ingestd/transport.(*wsConn).read
             net/http.(*conn).serve
-----------+-------------------------------------------------------
      2ms   github.com/ingestd/ingestd/daemon/internal/admin.(*Look).add (inline)
             github.com/ingestd/ingestd/daemon/internal/admin.show
             github.com/ingestd/ingestd/daemon/internal/admin.(*Tap).Route
             github.com/ingestd/ingestd/transport.(*wsConn).read
             net/http.(*conn).serve
-----------+-------------------------------------------------------
      3ms   syscall.Syscall
             net/http.(*conn).serve
-----------+-------------------------------------------------------
     20ms   compress/flate.(*compressor).deflate
             net/http/pprof.Profile
             github.com/ingestd/ingestd/daemon/internal/admin.profiles
             net/http.(*conn).serve
-----------+-------------------------------------------------------
     15ms   github.com/ingestd/ingestd/daemon/internal/admin.(*Tap).Route
             github.com/ingestd/ingestd/transport.(*wsConn).read
-----------+-------------------------------------------------------
      1us   runtime.gcBgMarkWorker
`
	looking, all, err := attribute([]byte(text))
	if want := 30 * time.Millisecond; err != nil || looking != want || all != 150*time.Millisecond+time.Microsecond {
		t.Errorf("%v of %v for looking, not %v: %v", looking, all, want, err)
	}
}

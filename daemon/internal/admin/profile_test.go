package admin

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A profile of the CPU is there for whoever is let in, on loopback without a token
// where none is set, and lasts as long as was asked for, which is longer than a
// request may take to be read.
func TestProfile(t *testing.T) {
	for _, c := range []struct {
		name   string
		access Access
		bearer string
		want   int
	}{
		{"this machine", Access{}, "", http.StatusOK},
		{"the token", Access{Token: token}, token, http.StatusOK},
		{"no token", Access{Token: token}, "", http.StatusUnauthorized},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, c.access, newDaemon(t))
			s.server.ReadTimeout = 100 * time.Millisecond
			serveOpen(t, s)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/debug/pprof/profile?seconds=1", nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.bearer != "" {
				r.Header.Set("Authorization", "Bearer "+c.bearer)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = answer.Body.Close() }()
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != c.want {
				t.Fatalf("status %d, %v: %.200q", answer.StatusCode, err, body)
			}
			if c.want != http.StatusOK {
				return
			}
			path := filepath.Join(t.TempDir(), "cpu.pprof")
			if err := os.WriteFile(path, body, 0o600); err != nil {
				t.Fatal(err)
			}
			said, err := exec.CommandContext(t.Context(), "go", "tool", "pprof", "-top", path).CombinedOutput()
			lasted := regexp.MustCompile(`Duration: (\S+),`).FindSubmatch(said)
			if err != nil || !strings.Contains(string(said), "Type: cpu") || lasted == nil {
				t.Fatalf("it is no profile: %v\n%s", err, said)
			}
			if d, err := time.ParseDuration(string(lasted[1])); d < 900*time.Millisecond {
				t.Errorf("it is of %v, not of a second: %v", d, err)
			}
		})
	}
}

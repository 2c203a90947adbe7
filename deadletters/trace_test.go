package deadletters

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/engine"
)

const traced = 20

// keepTraced keeps some letters, one after the other, and says so of each.
func keepTraced(path string) error {
	s, err := Open(bg, path, Options{})
	if err != nil {
		return err
	}
	for n := range int64(traced) {
		if err := s.Keep(bg, []engine.DeadLetter{letter("a", n)}); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(os.Stdout, "kept %d\n", n); err != nil {
			return err
		}
	}
	return s.Close()
}

var (
	syncs   = regexp.MustCompile(`f(data)?sync\(\d+<.*dead-letters\.db-wal>`)
	resumed = regexp.MustCompile(`f(data)?sync resumed`)
	says    = regexp.MustCompile(`write\(\d+<.*>, "kept `)
)

// The trace of the system calls proves that the log is on disk before Keep returns.
func TestNoLetterIsKeptBeforeItsSync(t *testing.T) {
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	cmd := part(t, "traced", filepath.Join(dir, "dead-letters.db"))
	cmd.Args = append([]string{"strace", "-f", "-y", "-e", "trace=fsync,fdatasync,write", "-o", trace}, cmd.Path)
	var err error
	if cmd.Path, err = exec.LookPath("strace"); err != nil {
		t.Fatal("strace is not installed: apt-get install strace")
	}
	if out, err := cmd.Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	kept, synced := 0, false
	pending := make(map[string]bool) // by thread: a sync of the log has begun
	for line := range strings.Lines(string(text)) {
		thread, _, _ := strings.Cut(line, " ")
		ok := strings.HasSuffix(strings.TrimSpace(line), "= 0")
		switch {
		case syncs.MatchString(line):
			synced = synced || ok
			pending[thread] = strings.Contains(line, "<unfinished")
		case resumed.MatchString(line):
			synced = synced || ok && pending[thread]
			delete(pending, thread)
		case says.MatchString(line):
			if kept++; !synced {
				t.Errorf("kept without a sync: %s", line)
			}
			synced = false
		}
	}
	if kept != traced {
		t.Errorf("%d letters are in the trace, want %d:\n%s", kept, traced, text)
	}
}

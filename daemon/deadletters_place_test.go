package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the commands print of a daemon elsewhere is what they print of the file here,
// and so is the exit status.
func TestLettersElsewhere(t *testing.T) {
	files, err := filepath.Glob("testdata/deadletters/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line, want, _ := strings.Cut(string(text), "----\n")
		// What a replay comes to depends on the sink; secrets are those of each
		// configuration; and the daemon has made its file.
		if strings.HasPrefix(line, "replay") || strings.Contains(line, "--set") || strings.HasPrefix(filepath.Base(file), "empty-") {
			continue
		}
		elsewhere++
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			dir := t.TempDir()
			keepLetters(t, dir, goldenLetters()...)
			p := start(t, dir, free...)
			var stdout, stderr strings.Builder
			status := mainWith(append([]string{"dead-letters"}, append(strings.Fields(line), "--url="+p.admin())...), &stdout, &stderr)
			if got := fmt.Sprintf("%s---- stderr\n%s---- exit %d\n", stdout.String(), stderr.String(), status); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
	if elsewhere < 8 {
		t.Errorf("%d commands", elsewhere)
	}
}

// A replay by a daemon elsewhere is waited for as one here.
func TestReplayElsewhere(t *testing.T) {
	r := startRefusing(t)
	r.feed(64)
	at := "--url=" + r.admin()
	r.cli(1, "32 dead letters: 0 stored, 32 refused again.\nRun \"ingestd dead-letters list\" to see the reasons.", "replay", at)
	r.mend()
	r.cli(1, "there is no dead letter 1000: nothing was done", "replay", "3", "1000", at)
	r.cli(0, "2 dead letters: 2 stored, 0 refused again.", "replay", "3", "5", at)
	r.cli(0, "1 dead letter discarded.", "discard", "4", at)
	r.cli(0, "29 dead letters: 29 stored, 0 refused again.", "replay", at)
	r.cli(0, "No dead letters.", "list", at)
	r.rows(63)
	r.stop()
}

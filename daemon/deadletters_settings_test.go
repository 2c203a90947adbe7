package daemon

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// The letters are found with a configuration whose secrets are in the environment of
// the service alone. What needs the sink wants all of it.
func TestLettersWithoutTheSecrets(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	keepLetters(t, dir, deadLetter("17", 42, `{"n": 1}`), deadLetter("17", 43, `{"n": 2}`))
	file := filepath.Join(dir, "config.hcl")
	config := func(text string) {
		write(t, file, text+"sink \"mysql\" {\n  dsn = env(\"NOBODY_HAS_SET_THIS_DSN\")\n}\nadmin {\n  token = env(\"NOBODY_HAS_SET_THIS_TOKEN\")\n}\n")
	}
	run := func(wantStatus int, says string, args ...string) {
		t.Helper()
		var out strings.Builder
		status := mainWith(append([]string{"dead-letters"}, append(args, "--config", file)...), &out, &out)
		if status != wantStatus || !strings.Contains(out.String(), says) {
			t.Errorf("%v: exit status %d, want %d and %q:\n%s", args, status, wantStatus, says, out.String())
		}
	}
	config(fmt.Sprintf("data_dir = %q\n", filepath.Join(dir, "ingest-data")))
	run(0, "2 dead letters.", "list")
	run(0, "Dead letter 2", "show", "2")
	run(0, "1 dead letter discarded.", "discard", "2")
	run(exitWrong, "NOBODY_HAS_SET_THIS_DSN", "replay", "--all")
	waiting(t, false)

	// A directory that is not known is not taken for another one.
	config("data_dir = env(\"NOBODY_HAS_SET_THIS_DIR\")\n")
	run(exitWrong, "NOBODY_HAS_SET_THIS_DIR", "list")
	run(exitWrong, "NOBODY_HAS_SET_THIS_DIR", "discard", "--all")
	waiting(t, false)
	config(fmt.Sprintf("dta_dir = %q\n", "elsewhere"))
	t.Chdir(t.TempDir())
	run(exitWrong, "dta_dir", "list")
	config("data_dir = \"\"\n")
	run(exitWrong, "data_dir: must name a directory", "list")
	config("data_dir = \"elsewhere\"\n")
	run(0, "No dead letters: there is no elsewhere/dead-letters.db.", "list")
	config("sink \"nobody\" {\n}\n")
	run(exitWrong, "nobody", "list")
}

// A daemon that runs sends what a command marks that cannot read the secrets.
func TestReplayWithoutTheSecrets(t *testing.T) {
	r := startRefusing(t)
	r.feed(8)
	file := filepath.Join(t.TempDir(), "config.hcl")
	write(t, file, "data_dir = \"ingest-data\"\nsink \"mysql\" {\n  dsn = env(\"NOBODY_HAS_SET_THIS_DSN\")\n}\n")
	r.mend()
	r.cli(0, " stored, 0 refused again.", "replay", "--config="+file)
	r.stop()
}

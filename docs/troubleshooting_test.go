package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// source is the text of the whole program, without its tests.
func source(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"daemon", "deadletters", "engine", "internal/jet", "metrics", "sink", "spool", "transport"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

var (
	inlineCode = regexp.MustCompile("`([^`\n]+)`")
	errorRow   = regexp.MustCompile("(?m)^\\| ((?:`[a-z_]+`(?:, )?)+) \\|")
)

// notOurs is what others say, and what is typed.
var notOurs = regexp.MustCompile(`^(ingestd |nats |ulimit |address already in use$|connection refused$|no servers available for connection$|open transport\.nats$)| = `)

// Every message, metric and error code that the page quotes is one of the program's.
func TestTroubleshooting(t *testing.T) {
	text, program := read(t, "docs/troubleshooting.md"), source(t)
	quoted := 0
	for _, m := range inlineCode.FindAllStringSubmatch(text, -1) {
		said := m[1]
		if !strings.Contains(said, " ") && !strings.HasPrefix(said, "ingest_") || notOurs.MatchString(said) {
			continue
		}
		if quoted++; !strings.Contains(program, said) && !strings.Contains(program, strings.ReplaceAll(said, `"`, `\"`)) {
			t.Errorf("the program does not say %q", said)
		}
	}
	codes := 0
	for _, row := range errorRow.FindAllStringSubmatch(text, -1) {
		for _, m := range inlineCode.FindAllStringSubmatch(row[1], -1) {
			if codes++; !strings.Contains(program, `"`+m[1]+`"`) {
				t.Errorf("there is no error code %s", m[1])
			}
		}
	}
	if quoted < 40 || codes < 7 {
		t.Errorf("%d quotes and %d codes are checked", quoted, codes)
	}
}

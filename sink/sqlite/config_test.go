package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/sqlite"
)

func TestConfigValidate(t *testing.T) {
	for path, want := range map[string]string{
		"ingest.db":       "",
		"a b/c.db":        "",
		"":                "path: must name a file",
		":memory:":        "a database in memory keeps nothing",
		":memory:?x=1":    "a database in memory keeps nothing",
		"file:x.db":       "must be a plain path",
		"a\x00b":          "must not contain a NUL",
		"some/directory/": "must name a file, not a directory",
	} {
		err := sqlite.Config{Path: path}.Validate()
		var option *engine.OptionError
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", path, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, not %q", path, err, want)
		case want != "" && !errors.As(err, &option):
			t.Errorf("%q: %T is no OptionError", path, err)
		}
	}
	if err := sqlite.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

// Whatever is in the path, it is the name of the file and nothing else.
func TestOddPaths(t *testing.T) {
	for _, name := range []string{
		"a b.db", "a?mode=ro.db", "a#b.db", "a%20b.db", "a&b=c.db", "a'b.db", `a"b\c.db`, "ä😀.db", "a;b.db", "-", "?.db",
		"a\nb.db", "file.db?_pragma=synchronous(OFF)",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		s := open(t, path)
		write(t, s, batch("17", 1, 3))
		if err := s.Close(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) != 1 || entries[0].Name() != name {
			t.Errorf("%q: the directory holds %v", name, entries)
		}
	}
}

// A path that means something is relative to where the program started.
func TestRelativePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	s := open(t, "ingest.db")
	t.Chdir(t.TempDir())
	write(t, s, batch("17", 1, 3))
	if got, want := s.String(), "sqlite ingest.db"; got != want {
		t.Errorf("String is %q, not %q", got, want)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ingest.db")); err != nil {
		t.Error(err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database. ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "missing", "x.db"): "missing does not exist",
		dir:                                   "is a directory",
		filepath.Join(file, "x.db"):           "is not a directory",
		file:                                  "file is not a database",
	} {
		_, err := sqlite.Open(t.Context(), sqlite.Config{Path: path}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", path, err, want)
		}
		if !engine.IsBlocked(err) {
			t.Errorf("%s: is not blocked: %v", path, err)
		}
		if err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("%s: the error does not name the file: %v", path, err)
		}
	}
}

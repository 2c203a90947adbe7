package sqlite

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// A full disk is a fault that passes: what did not fit then is stored once there
// is room.
func TestDiskFull(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "ingest.db")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := <-s.writer
	var pages int
	if err := w.conn.QueryRowContext(t.Context(), "PRAGMA max_page_count = 20").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	s.writer <- w
	group := []engine.Batch{{ID: "17", Messages: []engine.Message{
		{ID: "17", Seq: 1, Data: []byte(`1`)},
		{ID: "17", Seq: 2, Data: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)},
	}}}
	for range 2 {
		_, err = s.Write(t.Context(), group)
		if err == nil || !strings.Contains(err.Error(), "disk is full (13)") || engine.IsBlocked(err) || engine.IsPermanent(err) {
			t.Errorf("is not a transient SQLITE_FULL: %v", err)
		}
	}
	w = <-s.writer
	if err := w.conn.QueryRowContext(t.Context(), "PRAGMA max_page_count = 100000").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	s.writer <- w
	results, err := s.Write(t.Context(), group)
	if err != nil || results != nil {
		t.Errorf("with room again: %v, %v", results, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// An older version is brought up to date, once.
func TestMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	s, err := Open(t.Context(), Config{Path: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	steps := append(slices.Clone(migrations), []string{"ALTER TABLE streams ADD COLUMN more TEXT"})
	w := <-s.writer
	for range 2 {
		if err := openSchema(t.Context(), w.conn, steps); err != nil {
			t.Fatal(err)
		}
	}
	var version int
	if err := w.conn.QueryRowContext(t.Context(), "SELECT version FROM ingest_meta").Scan(&version); err != nil || version != 2 {
		t.Errorf("version %d, %v", version, err)
	}
	if _, err := w.conn.ExecContext(t.Context(), "SELECT more FROM streams"); err != nil {
		t.Error(err)
	}
	// And what is newer now is refused.
	if err := openSchema(t.Context(), w.conn, migrations); !engine.IsBlocked(err) {
		t.Errorf("is not blocked: %v", err)
	}
	s.writer <- w
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A connection that had to be given up is replaced.
func TestConnectionIsReplaced(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "ingest.db")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := <-s.writer
	w.conn.Discard()
	s.writer <- nil
	group := []engine.Batch{{ID: "17", Messages: []engine.Message{{ID: "17", Seq: 1}}}}
	if _, err := s.Write(t.Context(), group); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// The driver is translated C that calls its C library by the layout of the very
// version that it was made with.
func TestLibcIsTheDriversOwn(t *testing.T) {
	list := func(args ...string) string {
		out, err := exec.Command("go", append([]string{"list", "-m", "-f"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	ours := list("{{.Version}}", "modernc.org/libc")
	mod, err := os.ReadFile(list("{{.GoMod}}", "modernc.org/sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) >= 2 && fields[0] == "modernc.org/libc" {
			if fields[1] != ours {
				t.Errorf("go.mod has modernc.org/libc %s, and modernc.org/sqlite was made with %s", ours, fields[1])
			}
			return
		}
	}
	t.Error("modernc.org/sqlite does not name modernc.org/libc")
}

// A commit that is interrupted leaves nothing behind that the next Write trips
// over.
func TestContextEndsAnywhere(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "ingest.db")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	group := []engine.Batch{{ID: "17"}}
	for k := range 300 {
		group[0].Messages = append(group[0].Messages, engine.Message{ID: "17", Seq: int64(k + 1)})
	}
	for k := range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(k)*50*time.Microsecond)
		_, err := s.Write(ctx, group)
		cancel()
		if engine.IsBlocked(err) || engine.IsPermanent(err) {
			t.Errorf("after %d: %v", k, err)
		}
	}
	results, err := s.Write(t.Context(), group)
	if err != nil || results != nil && results[0].Duplicates != 300 {
		t.Errorf("%v, %v", results, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

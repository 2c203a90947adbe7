package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Another process that holds the lock makes a Write wait, at most as long as its
// context; it is a fault that passes.
func TestBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	s, db := open(t, path), reader(t, path)
	db.SetMaxOpenConns(1)
	exec(t, db, "BEGIN IMMEDIATE")
	start := time.Now()
	_, err := s.Write(within(t, 50*time.Millisecond), []engine.Batch{batch("17", 1, 3)})
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("Write took %v after its context had ended", took)
	}
	if !errors.Is(err, context.DeadlineExceeded) || engine.IsBlocked(err) || engine.IsPermanent(err) {
		t.Errorf("is not the end of the context: %v", err)
	}
	// Without one it is five seconds.
	_, err = s.Write(t.Context(), []engine.Batch{batch("17", 1, 3)})
	if err == nil || !strings.Contains(err.Error(), "SQLITE_BUSY") || engine.IsBlocked(err) || engine.IsPermanent(err) {
		t.Errorf("is not a transient SQLITE_BUSY: %v", err)
	}
	exec(t, db, "ROLLBACK")
	write(t, s, batch("17", 1, 3))
	if n := count(t, db, "SELECT messages FROM streams WHERE id = '17'"); n != 3 {
		t.Errorf("%d messages, not 3", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Two programs that write the same streams leave them right.
func TestTwoWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	const servers, rounds = 2, 40
	var wg sync.WaitGroup
	for k := range servers {
		s := open(t, path)
		wg.Go(func() {
			for r := range rounds {
				// Half of what each writes is written by the other one, too.
				b := batch("17", r*10+1+k*5, r*10+10+k*5)
				if _, err := s.Write(t.Context(), []engine.Batch{b}); err != nil {
					t.Error(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	db := reader(t, path)
	const want = rounds*10 + 5
	if n := count(t, db, "SELECT COUNT(*) FROM messages"); n != want {
		t.Errorf("%d rows, not %d", n, want)
	}
	if n := count(t, db, "SELECT COUNT(*) FROM streams WHERE messages = ? AND first_seq = 1 AND last_seq = ?", want, want); n != 1 {
		t.Error("the row of the stream is wrong")
	}
}

// A row that the database refuses is named, and its neighbours are stored.
func TestPoison(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	s, db := open(t, path), reader(t, path)
	exec(t, db, "CREATE UNIQUE INDEX mine ON messages (sender) WHERE sender <> ''")
	exec(t, db, `CREATE TRIGGER no BEFORE INSERT ON messages WHEN new.code = 13
		BEGIN SELECT raise(ABORT, 'unlucky'); END`)
	exec(t, db, `CREATE TRIGGER never BEFORE INSERT ON streams WHEN new.end_code = 13
		BEGIN SELECT raise(ABORT, 'unlucky'); END`)
	group := []engine.Batch{batch("a", 1, 40), batch("b", 1, 40), batch("c", 1, 3), batch("d", 1, 3)}
	group[1].Messages[17].Code = 13
	group[1].Messages[20].Sender, group[1].Messages[21].Sender = "me", "me"
	group[2].End, group[2].Final = engine.EndOp, &engine.Message{Kind: engine.Done, ID: "c", Code: 13}
	for _, want := range []engine.RejectError{{Batch: 1, Message: 17}, {Batch: 1, Message: 20}, {Batch: 2, Message: 3}} {
		_, err := s.Write(t.Context(), group)
		var reject *engine.RejectError
		if !errors.As(err, &reject) || reject.Batch != want.Batch || reject.Message != want.Message {
			t.Fatalf("is no Reject(%d, %d): %v", want.Batch, want.Message, err)
		}
		if b := &group[reject.Batch]; reject.Message == len(b.Messages) {
			b.End, b.Final = "", nil
		} else {
			b.Messages = append(b.Messages[:reject.Message:reject.Message], b.Messages[reject.Message+1:]...)
		}
	}
	write(t, s, group...)
	if n := count(t, db, "SELECT COUNT(*) FROM messages"); n != 40+38+3+3 {
		t.Errorf("%d rows", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Nothing is taken for stored in a file that is not at its place any more: SQLite
// alone would go on writing into it, and say that all is well.
func TestFileIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	s := open(t, path)
	write(t, s, batch("17", 1, 3))
	blocked := func(want string) {
		t.Helper()
		_, err := s.Write(t.Context(), []engine.Batch{batch("17", 4, 6)})
		if !engine.IsBlocked(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("is not blocked, with %q: %v", want, err)
		}
	}
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	rename(path, path+".away")
	blocked("was deleted or moved")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("another file was made in its place")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	blocked("was replaced")
	rename(path+".away", path) // put back
	write(t, s, batch("17", 4, 6))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := count(t, reader(t, path), "SELECT messages FROM streams WHERE id = '17'"); n != 6 {
		t.Errorf("%d messages, not 6", n)
	}
}

// The log beside the database does not stay after Close.
func TestCloseCheckpoints(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	s := open(t, path)
	for r := range 20 {
		write(t, s, batch(fmt.Sprint(r), 1, 100))
	}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		t.Errorf("there is no log while it is open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the log is still there: %v", err)
	}
}

// A reader that keeps its snapshot lets the log grow; after it has gone, the log
// is cut to its limit again.
func TestLongReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ingest.db")
	s, db := open(t, path), reader(t, path)
	db.SetMaxOpenConns(1)
	exec(t, db, "BEGIN")
	if n := count(t, db, "SELECT COUNT(*) FROM messages"); n != 0 {
		t.Fatal(n)
	}
	big := []byte(`"` + strings.Repeat("x", 8<<20) + `"`)
	for r := range 15 {
		b := batch("17", r+1, r+1)
		b.Messages[0].Data = big
		write(t, s, b)
	}
	size := func() int64 {
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if size() < 110<<20 {
		t.Errorf("the log has only %d bytes: the reader did not hold it", size())
	}
	exec(t, db, "COMMIT")
	for r := range 3 {
		write(t, s, batch("18", r*10+1, r*10+10))
	}
	if size() > 97<<20 {
		t.Errorf("the log has still %d bytes", size())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

package deadletters

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// patience is how long a test waits for what is sure to come.
const patience = time.Minute

// bg is short for a context that never ends.
var bg = context.Background()

// newStore opens a store in a directory of its own.
func newStore(tb testing.TB) *Store {
	tb.Helper()
	return openStore(tb, filepath.Join(tb.TempDir(), "dead-letters.db"))
}

func openStore(tb testing.TB, path string) *Store {
	tb.Helper()
	s, err := Open(bg, path, Options{Sink: "test"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// letter is a refused message of a stream.
func letter(id string, seq int64) engine.DeadLetter {
	at := time.Date(2024, 5, 7, 3, 33, 20, 123456789, time.UTC)
	return engine.DeadLetter{
		Message: engine.Message{
			ID: id, Seq: seq, Client: "phone", Op: "report", Code: 3, Time: at, Received: at.Add(time.Second),
			Remote: "10.0.0.1:4000", Sender: "token", Data: fmt.Appendf(nil, `{"n":%d}`, seq),
		},
		Err: engine.Permanent(errors.New("too long")), Code: "1406", Attempts: 1, Refused: at.Add(time.Minute),
	}
}

// keep keeps letters one after the other.
func keep(tb testing.TB, s *Store, letters ...engine.DeadLetter) {
	tb.Helper()
	for _, l := range letters {
		if err := s.Keep(bg, []engine.DeadLetter{l}); err != nil {
			tb.Fatal(err)
		}
	}
}

// all are the letters that f selects.
func all(tb testing.TB, s *Store, f Filter) (letters []Letter) {
	tb.Helper()
	for l, err := range s.List(bg, f) {
		if err != nil {
			tb.Fatal(err)
		}
		letters = append(letters, l)
	}
	return letters
}

// numbers are those of the letters that f selects.
func numbers(tb testing.TB, s *Store, f Filter) (n []int64) {
	tb.Helper()
	for _, l := range all(tb, s, f) {
		n = append(n, l.Number)
	}
	return n
}

// total compares the count of letters with the letters themselves.
func total(tb testing.TB, s *Store, want int64) {
	tb.Helper()
	n, err := s.Count(bg)
	if err != nil {
		tb.Fatal(err)
	}
	if rows := int64(len(all(tb, s, Filter{}))); n != want || rows != want {
		tb.Errorf("%d letters are counted, %d are there, want %d", n, rows, want)
	}
}

// eventually waits until ok says so.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("in vain: %s", what)
		}
	}
}

// lockFile takes the lock of the file, as another process does that writes. The
// function that it returns gives it back.
func lockFile(tb testing.TB, s *Store) (unlock func()) {
	tb.Helper()
	db, err := sql.Open("sqlite", "file:"+s.path+"?_txlock=immediate&_pragma=busy_timeout(5000)")
	if err != nil {
		tb.Fatal(err)
	}
	tx, err := db.BeginTx(bg, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			tb.Error(err)
		}
	}
}

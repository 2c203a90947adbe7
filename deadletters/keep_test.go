package deadletters

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Keep does not return before its letters are committed: while somebody else has
// the file's lock it cannot.
func TestKeepReturnsAfterTheCommit(t *testing.T) {
	s := newStore(t)
	unlock := lockFile(t, s)
	ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
	defer cancel()
	if err := s.Keep(ctx, []engine.DeadLetter{letter("a", 1)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Keep: %v", err)
	}
	unlock()
	keep(t, s, letter("a", 1))
	total(t, s, 1)
}

// Commits are as durable as they can be: this is what each connection that writes is
// asked for, and a store that cannot have it is no store.
func TestCommitsAreSynced(t *testing.T) {
	s := newStore(t)
	c := <-s.writer
	defer func() { s.writer <- c }()
	var synchronous, mode string
	for pragma, value := range map[string]*string{"synchronous": &synchronous, "journal_mode": &mode} {
		if err := c.QueryRowContext(bg, "PRAGMA "+pragma).Scan(value); err != nil {
			t.Fatal(err)
		}
	}
	if synchronous != "2" || mode != "wal" {
		t.Errorf("synchronous %s, journal_mode %s", synchronous, mode)
	}
	db, err := sql.Open("sqlite", "file:"+s.path+"?_pragma=synchronous(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := (&Store{db: db}).connect(bg); err == nil || !strings.Contains(err.Error(), "synchronous 0") {
		t.Errorf("a connection that does not sync: %v", err)
	}
}

// Those who come while a transaction is under way share the next one.
func TestCallersShareATransaction(t *testing.T) {
	s := newStore(t)
	c := <-s.writer // the transaction that is under way
	var callers sync.WaitGroup
	const n = 64
	for i := range int64(n) {
		callers.Go(func() {
			if err := s.Keep(bg, []engine.DeadLetter{letter("a", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	joined := func() (g *group, letters int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.joining != nil {
			letters = len(s.joining.letters)
		}
		return s.joining, letters
	}
	eventually(t, "all callers wait", func() bool { _, letters := joined(); return letters == n })
	g, _ := joined()
	s.writer <- c
	callers.Wait()
	if g.err != nil {
		t.Error(g.err)
	}
	if next, _ := joined(); next != nil {
		t.Error("there was a second transaction")
	}
	total(t, s, n)
}

// Whoever leaves early may use the memory of its letters again at once.
func TestKeepKeepsNoMemory(t *testing.T) {
	s := newStore(t)
	c := <-s.writer
	ctx, cancel := context.WithCancel(bg)
	cancel()
	l := letter("a", 1)
	want := bytes.Clone(l.Message.Data)
	if err := s.Keep(ctx, []engine.DeadLetter{l}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	clear(l.Message.Data)
	s.writer <- c
	keep(t, s, letter("a", 2))
	for _, l := range all(t, s, Filter{}) {
		if l.Message.Seq == 1 && !bytes.Equal(l.Message.Data, want) {
			t.Errorf("%q was kept", l.Message.Data)
		}
	}
}

// One caller's lack of time is not the others'.
func TestACallerWithoutTimeCostsNoOther(t *testing.T) {
	for round := range int64(6) {
		s := newStore(t)
		unlock := lockFile(t, s)
		c := <-s.writer
		ctx, cancel := context.WithCancel(bg)
		var callers sync.WaitGroup
		callers.Go(func() {
			if err := s.Keep(ctx, []engine.DeadLetter{letter("hasty", round)}); !errors.Is(err, context.Canceled) {
				t.Errorf("the hasty one: %v", err)
			}
		})
		callers.Go(func() {
			if err := s.Keep(bg, []engine.DeadLetter{letter("patient", round)}); err != nil {
				t.Errorf("the patient one: %v", err)
			}
		})
		eventually(t, "both wait", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.joining != nil && len(s.joining.letters) == 2
		})
		s.writer <- c
		eventually(t, "one of them writes", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.joining == nil })
		cancel()
		unlock()
		callers.Wait()
		if got := all(t, s, Filter{ID: "patient"}); len(got) != 1 {
			t.Errorf("%+v", got)
		}
	}
}

// A disk that is full is an error, nothing is lost by it, and it passes.
func TestDiskFull(t *testing.T) {
	s := newStore(t)
	limit := func(pages int) {
		t.Helper()
		c := <-s.writer
		defer func() { s.writer <- c }()
		if _, err := c.ExecContext(bg, fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(60)
	big := func(n int64) []engine.DeadLetter {
		l := letter("a", n)
		l.Message.Data = bytes.Repeat([]byte("x"), 10_000)
		return []engine.DeadLetter{l, letter("b", n)}
	}
	var err error
	kept := int64(0)
	for ; err == nil && kept < 100; kept++ {
		err = s.Keep(bg, big(kept))
	}
	if kept--; err == nil || !strings.Contains(err.Error(), "full") {
		t.Fatalf("after %d: %v", kept, err)
	}
	if err := s.Keep(bg, big(kept)); err == nil {
		t.Fatal("kept on a full disk")
	}
	total(t, s, 2*kept)
	limit(1_000_000)
	if err := s.Keep(bg, big(kept)); err != nil {
		t.Fatal(err)
	}
	total(t, s, 2*kept+2)
}

// A file that is deleted while it is open takes no more letters: nobody would find
// them.
func TestDeletedFile(t *testing.T) {
	s := newStore(t)
	keep(t, s, letter("a", 1))
	moved := s.path + ".moved"
	if err := os.Rename(s.path, moved); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(bg, []engine.DeadLetter{letter("a", 2)}); err == nil || !strings.Contains(err.Error(), "deleted or moved") {
		t.Errorf("Keep: %v", err)
	}
	if err := os.WriteFile(s.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(bg, []engine.DeadLetter{letter("a", 2)}); err == nil || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("Keep: %v", err)
	}
	if err := os.Rename(moved, s.path); err != nil {
		t.Fatal(err)
	}
	keep(t, s, letter("a", 2))
	total(t, s, 2)
}

func BenchmarkKeep(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := newStore(b)
			var n, failed int64
			var mu sync.Mutex
			next := func() int64 { mu.Lock(); defer mu.Unlock(); n++; return n }
			b.ResetTimer()
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					for i := next(); i <= int64(b.N); i = next() {
						if err := s.Keep(bg, []engine.DeadLetter{letter("a", i)}); err != nil {
							mu.Lock()
							failed++
							mu.Unlock()
						}
					}
				})
			}
			all.Wait()
			if failed > 0 {
				b.Errorf("%d failed", failed)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "letters/s")
		})
	}
}

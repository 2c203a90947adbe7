package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// moving is a sink whose log is moved into the database when it has begin pages,
// and how many it has now.
func moving(t *testing.T, begin int64, log hclog.Logger) (*Sink, func() int64) {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "ingest.db")}, log)
	if err != nil {
		t.Fatal(err)
	}
	w := <-s.writer
	c := &s.checkpoints
	c.begin, c.next, c.full = begin, begin, 2*begin
	s.writer <- w
	pages := func() int64 {
		w := <-s.writer
		defer func() { s.writer <- w }()
		n, _, err := checkpoint(t.Context(), w.conn, "NOOP")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return s, pages
}

// store stores ten messages of so many bytes, numbered by n.
func store(t *testing.T, s *Sink, n int, size int64) {
	t.Helper()
	b := engine.Batch{ID: "17"}
	for k := range 10 {
		m := engine.Message{ID: "17", Seq: int64(n*10 + k + 1), Data: []byte(`"` + strings.Repeat("x", int(size)) + `"`)}
		b.Messages = append(b.Messages, m)
	}
	if _, err := s.Write(t.Context(), []engine.Batch{b}); err != nil {
		t.Fatal(err)
	}
}

// settled waits until nothing is moved.
func settled(t *testing.T, s *Sink) {
	t.Helper()
	select {
	case <-s.checkpoints.idle:
		s.checkpoints.idle <- struct{}{}
	case <-t.Context().Done():
	}
}

// However little pause writers make, the log is begun anew, again and again, and is
// never longer than is allowed.
func TestLogIsBegunAnew(t *testing.T) {
	for _, c := range []struct{ size, group int64 }{
		{6_000, 100},
		{120_000, 500}, // more than is left for the end
	} {
		const begin = 400
		s, pages := moving(t, begin, nil)
		before := int64(0)
		for n, rounds := 0, 0; rounds < 5; n++ {
			store(t, s, n, c.size)
			now := pages()
			if now < before {
				rounds++
			}
			if before = now; now > 2*begin+c.group {
				t.Fatalf("the log has %d pages", now)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What is written last is moved, too, once nobody writes any more.
func TestLogOfAnIdleSinkIsMoved(t *testing.T) {
	const begin = 100
	s, pages := moving(t, begin, nil)
	for n := 0; pages() < begin; n++ {
		store(t, s, n, 6_000)
	}
	settled(t, s)
	w := <-s.writer
	n, moved, err := checkpoint(t.Context(), w.conn, "NOOP")
	if err != nil || n < begin || moved != n {
		t.Errorf("%d of %d pages are moved, %v", moved, n, err)
	}
	s.writer <- w
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A Write that waits for a full log to be moved does so as long as its context.
func TestFullLogMakesWait(t *testing.T) {
	s, _ := moving(t, 10, nil)
	<-s.checkpoints.idle // somebody moves it
	store(t, s, 0, 60_000)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := s.Write(ctx, []engine.Batch{{ID: "a", Messages: []engine.Message{{ID: "a", Seq: 1}}}})
	if !errors.Is(err, context.DeadlineExceeded) || engine.IsBlocked(err) || engine.IsPermanent(err) {
		t.Errorf("is not the end of the context: %v", err)
	}
	s.checkpoints.idle <- struct{}{}
	store(t, s, 1, 60_000)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A log that cannot be moved is reported once, and holds up nothing.
func TestLogCannotBeMoved(t *testing.T) {
	var log strings.Builder
	s, _ := moving(t, 10, hclog.New(&hclog.LoggerOptions{Output: &log}))
	if err := s.checkpoints.conn.Close(); err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		store(t, s, n, 6_000)
		settled(t, s)
	}
	var messages int
	w := <-s.writer
	if err := w.conn.QueryRowContext(t.Context(), "SELECT messages FROM streams").Scan(&messages); err != nil || messages != 500 {
		t.Errorf("%d messages, %v", messages, err)
	}
	s.writer <- w
	if n := strings.Count(log.String(), "[WARN]"); n != 1 || !strings.Contains(log.String(), "cannot be moved") {
		t.Errorf("%d warnings: %s", n, &log)
	}
	_ = s.Close() // the connection is closed already
}

// What waits for the end of a Write does not hold up Close.
func TestCloseInterruptsCheckpoint(t *testing.T) {
	s, _ := moving(t, 1, nil)
	w := <-s.writer
	s.checkpoints.work <- <-s.checkpoints.idle
	for len(s.checkpoints.work) > 0 { // it is under way, and will wait for the writer
		runtime.Gosched()
	}
	s.checkpoints.cancel()
	<-s.checkpoints.ended
	s.writer <- w
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

package sqlite_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/sink/internal/load"
	"github.com/ingestd/ingestd/sink/sqlite"
)

// site is a sink under load.
type site struct {
	*testing.T
	path   string
	db     *sql.DB // one connection
	engine *load.Engine
	sent   int

	enough chan struct{} // closed: no more load
	done   sync.WaitGroup
}

func newSite(t *testing.T, path string) *site {
	t.Helper()
	s := &site{T: t, path: path, db: reader(t, path), enough: make(chan struct{})}
	s.db.SetMaxOpenConns(1)
	sink, err := sqlite.Open(t.Context(), sqlite.Config{Path: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := load.Options()
	o.MaxPending, o.GroupSize = 1*engine.MiB, 100
	s.engine = load.Run(t, sink, o)
	s.done.Go(s.load)
	return s
}

// load sends without end, as fast as the engine takes it.
func (s *site) load() {
	for {
		for id := range 20 {
			m := load.Message(fmt.Sprint("stream-", id), s.sent/20+1)
			m.Data = load.Text(4000)
			s.engine.Send(m)
			s.sent++
		}
		select {
		case <-s.enough:
			return
		default:
		}
	}
}

// flows waits until some messages are stored that come only now.
func (s *site) flows() {
	s.Helper()
	s.engine.Wait(s.engine.Stored() + long.Scale(300, 2000))
}

// pages is how many pages the log has now, which its file may have room for.
func (s *site) pages() (n int) {
	s.Helper()
	var busy, moved int
	if err := s.db.QueryRowContext(s.Context(), "PRAGMA wal_checkpoint(NOOP)").Scan(&busy, &n, &moved); err != nil {
		s.Fatal(err)
	}
	return n
}

// transient fails unless all errors are, and have the text.
func (s *site) transient(errs []error, text string) {
	s.Helper()
	for _, err := range errs {
		if engine.IsBlocked(err) || engine.IsPermanent(err) || !strings.Contains(err.Error(), text) {
			s.Errorf("is not transient, with %q: %v", text, err)
		}
	}
}

// exact ends the load and checks that nothing is lost, doubled or refused.
func (s *site) exact() {
	s.Helper()
	close(s.enough)
	s.done.Wait()
	s.engine.Wait(0)
	s.engine.Close()
	if letters := s.engine.Letters(); len(letters) > 0 {
		s.Errorf("%d messages were refused", len(letters))
	}
	for _, query := range []string{"SELECT COUNT(*) FROM messages", "SELECT SUM(messages) FROM streams"} {
		if n := count(s, s.db, query); n != s.sent {
			s.Errorf("%s: %d, not %d", query, n, s.sent)
		}
	}
	var integrity string
	if err := s.db.QueryRowContext(s.Context(), "PRAGMA integrity_check").Scan(&integrity); err != nil || integrity != "ok" {
		s.Errorf("integrity_check says %q, %v", integrity, err)
	}
	s.Logf("%d messages, %d of %d writes failed", s.sent, s.engine.Stats().Retries.Transient, s.engine.Stats().Groups)
}

// A program that holds the lock longer than anybody waits for it costs nothing but
// time.
func TestSecondWriterUnderLoad(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "ingest.db"))
	s.flows()
	exec(t, s.db, "PRAGMA busy_timeout = 60000")
	exec(t, s.db, "BEGIN IMMEDIATE")
	s.transient(s.engine.Fail(long.Scale(1, 6)), "SQLITE_BUSY") // five seconds each
	exec(t, s.db, "ROLLBACK")
	s.flows()
	s.exact()
}

// Programs that move the log themselves, in whatever way, are in nobody's way.
func TestOthersCheckpointUnderLoad(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "ingest.db"))
	exec(t, s.db, "PRAGMA busy_timeout = 60000")
	for range long.Scale(5, 100) {
		for _, mode := range []string{"PASSIVE", "FULL", "RESTART", "TRUNCATE"} {
			s.flows()
			exec(t, s.db, "PRAGMA wal_checkpoint("+mode+")")
		}
	}
	s.exact()
}

// A reader that keeps its snapshot for long lets the log grow, and costs nothing
// else; when it has gone, the log is cut.
func TestLongReaderUnderLoad(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "ingest.db"))
	s.flows()
	exec(t, s.db, "BEGIN")
	count(t, s.db, "SELECT COUNT(*) FROM messages")
	size := func() int64 {
		t.Helper()
		info, err := os.Stat(s.path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	const limit = 96 << 20
	for atLeast := int64(long.Scale(68<<20, 4*limit)); size() < atLeast; {
		s.flows()
	}
	exec(t, s.db, "COMMIT")
	// It is moved into the database, then begun again.
	for pages := s.pages(); ; s.flows() {
		before := pages
		if pages = s.pages(); pages < before {
			break
		}
	}
	grown := size()
	for range 5 {
		s.flows()
	}
	if now := size(); now > grown || now > limit {
		t.Errorf("the log has %d bytes, and had %d once the reader had gone", now, grown)
	}
	s.exact()
}

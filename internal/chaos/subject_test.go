package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // reads what was stored

	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/child/childtest"
	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// subject is what faults happen to: a daemon, the tables that it writes, and the
// clients that send to it.
type subject struct {
	t      *testing.T
	rng    *rand.Rand
	dir    string
	args   []string
	daemon *child.Daemon
	tables *drill.Tables
	run    drill.Run
	load   *drill.Load
}

// onSQLite is a subject without clients that writes a file.
func onSQLite(t *testing.T, args ...string) *subject {
	t.Helper()
	dir := t.TempDir()
	tables, err := drill.OpenSQLite(filepath.Join(dir, "ingest.db"))
	if err != nil {
		t.Fatal(err)
	}
	return newSubject(t, dir, tables, args)
}

// onMySQL is one that writes an empty database.
func onMySQL(t *testing.T, dsn string, args ...string) *subject {
	t.Helper()
	tables, err := drill.OpenMySQL(t.Context(), dsn, "messages", "streams")
	if err != nil {
		t.Fatal(err)
	}
	return newSubject(t, t.TempDir(), tables, append(args, "--set=sink.mysql.dsn="+dsn))
}

func newSubject(t *testing.T, dir string, tables *drill.Tables, args []string) *subject {
	t.Helper()
	t.Cleanup(func() { _ = tables.Close() })
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := &subject{
		t: t, rng: rand.New(rand.NewPCG(seed, 0)), dir: dir, args: args, tables: tables,
		run: drill.Run(fmt.Sprintf("chaos-%x", seed)),
	}
	s.daemon = childtest.Run(t, dir, "127.0.0.1:0", args...)
	return s
}

// spooled are the settings with which everything is on disk before it is acked.
var spooled = []string{"--set=delivery.spool=true", "--set=transport.websocket.ack=spooled"}

// onEach runs a test with SQLite, with MariaDB, and with the spool in front.
func onEach(t *testing.T, test func(t *testing.T, s *subject), args ...string) {
	t.Run("sqlite", func(t *testing.T) { test(t, onSQLite(t, args...)) })
	t.Run("mysql", func(t *testing.T) { test(t, onMySQL(t, mariadbtest.DSN(t), args...)) })
	t.Run("spool", func(t *testing.T) {
		test(t, onMySQL(t, mariadbtest.DSN(t), append(slices.Clone(spooled), args...)...))
	})
}

// listen is where the daemon listens.
func (s *subject) listen() string {
	return strings.TrimSuffix(strings.TrimPrefix(s.daemon.URL(), "ws://"), "/ws")
}

// begin puts load on the daemon, at this address, and waits for the first acks.
func (s *subject) begin(address string, cfg drill.LoadConfig) {
	s.t.Helper()
	cfg.Run, cfg.URL, cfg.Seed = s.run, "ws://"+address+"/ws", s.rng.Uint64()
	var err error
	if s.load, err = drill.StartLoad(context.Background(), cfg); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.load.Close)
	s.works()
}

// works waits for acks of what is sent from now on, which show that messages are
// taken and stored.
func (s *subject) works() {
	s.t.Helper()
	ctx, cancel := s.patience()
	defer cancel()
	if err := s.load.AwaitAcks(ctx, s.load.Acked()+50); err != nil {
		s.t.Fatalf("nothing is acked any more: %v\n%s", err, s.daemon.Log())
	}
}

// again starts the daemon, which has ended, where it was.
func (s *subject) again() {
	s.t.Helper()
	s.daemon = childtest.Run(s.t, s.dir, s.listen(), s.args...)
}

// end has everything acked, drains the daemon, and expects that everything is
// stored once, in order, as it was sent, and at least so many messages.
func (s *subject) end(least int64) {
	s.t.Helper()
	ctx, cancel := s.patience()
	defer cancel()
	if err := s.load.Finish(ctx); err != nil {
		s.t.Error(err)
	}
	if err := s.daemon.Stop(ctx); err != nil {
		s.t.Error(err)
	}
	v, err := drill.Verify(ctx, s.run, s.load.Ledgers, s.tables)
	s.t.Logf("%+v", v)
	if err != nil || !v.Fine() {
		s.t.Errorf("something is wrong: %+v, %v", v, err)
	}
	if v.Acked < least {
		s.t.Errorf("%d messages are acked, fewer than %d prove nothing", v.Acked, least)
	}
}

func (s *subject) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), childtest.Patience)
}

// last lets a fault last for a while.
func last(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// eventually waits until ok says so, which looks from outside at what nobody
// announces.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(childtest.Patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in vain: %s", what)
		}
	}
}

// sockets is how many the daemon has.
func (s *subject) sockets() (n int) {
	s.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", s.daemon.Pid())
	files, err := os.ReadDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range files {
		if to, _ := os.Readlink(filepath.Join(dir, f.Name())); strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

package mysql_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// transient fails unless err is one after which the engine tries again.
func transient(t testing.TB, err error) {
	t.Helper()
	if err == nil || engine.IsPermanent(err) || engine.IsBlocked(err) {
		t.Fatalf("is not transient: %v", err)
	}
}

// round is what a test of commits writes in its round r: new messages of two
// streams, and the end of one.
func round(r int) []engine.Batch {
	group := []engine.Batch{batch("a", r*10+1, r*10+10), batch(fmt.Sprintf("b%03d", r), 1, 5)}
	group[1].End, group[1].Final = engine.EndOp, &engine.Message{Kind: engine.Done, Data: []byte(`1`), Received: received}
	return group
}

// A commit that happened, but whose answer was lost, is found out: every row is
// there once, and counted once, by the host program, too.
func TestAmbiguousCommit(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	p, through := newProxy(t, dsn)
	d := hooked(t, dsn, through)
	s := d.Open(t, d.Adds())
	defer func() { _ = s.Close() }()
	rounds := long.Scale(50, 1000)
	exec(t, d.DB, "ALTER TABLE totals DROP CONSTRAINT CONSTRAINT_1")
	for r := range rounds {
		p.meddle(func() bool { return true })
		_, err := s.Write(t.Context(), round(r))
		transient(t, err)
		results := write(t, s, round(r)...)
		if results[0].Duplicates != 10 || results[1].Duplicates != 5 || results[1].Rows != 5 {
			t.Fatalf("round %d: %+v", r, results)
		}
	}
	d.Exact(t, rounds*15)
	if n := count(t, d.DB, "SELECT COUNT(*) FROM streams WHERE status = 'done'"); n != rounds {
		t.Errorf("%d streams are done, not %d", n, rounds)
	}
}

// A server that is killed while it commits has or has not done it: both with the
// rows of the host program.
func TestKilledWhileItCommits(t *testing.T) {
	server := mariadbtest.Shared(t)
	dsn := server.DSN(t)
	p, through := newProxy(t, dsn)
	d := hooked(t, dsn, through)
	d.DB.SetMaxIdleConns(0) // they would not outlive the server
	s := d.Open(t, d.Adds())
	defer func() { _ = s.Close() }()
	rounds := long.Scale(4, 20)
	for r := range rounds {
		p.meddle(func() bool {
			server.Kill()
			return false
		})
		_, err := s.Write(t.Context(), round(r))
		transient(t, err)
		_, err = s.Write(t.Context(), round(r)) // there is no server
		transient(t, err)
		server.Restart(t)
		write(t, s, round(r)...)
	}
	d.Exact(t, rounds*15)
}

// A connection that has died unnoticed is exchanged, and nobody is bothered.
func TestStaleConnection(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	c := config(dsn)
	c.Writers = 1
	s, db := opened(t, c), mariadbtest.DB(t, dsn)
	for r := range 5 {
		write(t, s, round(r)...)
		exec(t, db, fmt.Sprintf("KILL %d", count(t, db,
			"SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()")))
	}
	write(t, s, round(9)...)
}

// A server that has not noticed that a connection is gone lets go of its locks.
func TestDeadTransaction(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	through := with(t, dsn, func(cfg *driver.Config) {
		cfg.Params = idleLimit(t, dsn, 1)
		cfg.Params["innodb_lock_wait_timeout"] = "5"
	})
	p, through := newProxy(t, through)
	s := opened(t, config(through))
	p.hold()
	_, err := s.Write(within(t, 300*time.Millisecond), round(0))
	transient(t, err)
	p.pass()
	results := write(t, s, round(0)...) // waits, about a second
	if results[0].Duplicates != 0 {
		t.Errorf("the transaction that was not ended has stored something: %+v", results)
	}
}

// A server that has come to a halt holds a Write no longer than its context.
func TestHaltedServer(t *testing.T) {
	server := mariadbtest.Shared(t)
	s := opened(t, config(server.DSN(t)))
	write(t, s, round(0)...)
	server.Stop()
	start := time.Now()
	_, err := s.Write(within(t, 100*time.Millisecond), round(1))
	took := time.Since(start)
	server.Cont()
	transient(t, err)
	if took > 5*time.Second {
		t.Errorf("Write took %v after its context had ended", took)
	}
	write(t, s, round(1)...)
	write(t, s, round(2)...)
}

// A context that ends at any moment leaves nothing that the next Write trips
// over.
func TestContextEndsAnywhere(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	s, db := opened(t, config(dsn)), mariadbtest.DB(t, dsn)
	for k := range 60 {
		_, err := s.Write(within(t, time.Duration(k)*100*time.Microsecond), []engine.Batch{batch("a", 1, 300)})
		if err != nil {
			transient(t, err)
		}
	}
	write(t, s, batch("a", 1, 300))
	if n := count(t, db, "SELECT messages FROM streams"); n != 300 {
		t.Errorf("%d messages are counted, not 300", n)
	}
}

// idleLimit is the parameter of a DSN that ends transactions that rest for so many
// seconds.
func idleLimit(t testing.TB, dsn string, seconds int) map[string]string {
	t.Helper()
	name := "wait_timeout"
	if isMariaDB(t, dsn) {
		name = "idle_write_transaction_timeout"
	}
	return map[string]string{name: strconv.Itoa(seconds)}
}

func isMariaDB(t testing.TB, dsn string) bool {
	t.Helper()
	return count(t, mariadbtest.DB(t, dsn), "SELECT VERSION() LIKE '%MariaDB%'") == 1
}

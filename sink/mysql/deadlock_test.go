package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink/internal/load"
)

// deadlock makes s the victim of one: the test has what the query second locks, and
// has changed more than the sink, which has what first locks, and will want second.
func deadlock(t *testing.T, db *sql.DB, s engine.Sink, first, second string, group []engine.Batch) {
	t.Helper()
	exec(t, db, "CREATE TABLE weight (n INT PRIMARY KEY) ENGINE = InnoDB")
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{second, "INSERT INTO weight SELECT seq FROM seq_1_to_500"} {
		if _, err := tx.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	back := make(chan error, 1)
	go func() {
		_, err := s.Write(t.Context(), group)
		back <- err
	}()
	waits(t, db, back)
	if _, err := tx.Exec(first); err != nil {
		t.Errorf("is no deadlock of the sink: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-back; err != nil {
		t.Errorf("the sink did not try again: %v", err)
	}
}

// waits returns when the sink, whose Write sends to back, waits for a lock. The
// server says so, which it finds out ten times a second at most, and not while it
// is being asked.
func waits(t *testing.T, db *sql.DB, back <-chan error) {
	t.Helper()
	const waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
	for exec(t, db, "DO SLEEP(0.15)"); count(t, db, waiting) == 0; exec(t, db, "DO SLEEP(0.15)") {
		select {
		case err := <-back:
			t.Fatalf("the sink did not wait: %v", err)
		default:
		}
	}
}

// Another server stores one of the messages after the sink has looked for it, and
// before it inserts it. The rows of later statements, which were never sent, are
// not there then: that is no reason to refuse them.
func TestFasterServer(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	s, db := opened(t, config(dsn)), mariadbtest.DB(t, dsn)
	write(t, s, batch("a", 1, 1))                                                         // so that the sink begins to look
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted}) // locks nothing that it reads
	if err != nil {
		t.Fatal(err)
	}
	const other = "INSERT INTO messages SELECT id, 6, client, op, code, sent_at, received_at, remote, sender, '{\"n\":6}' FROM messages"
	if _, err := tx.Exec(other); err != nil {
		t.Fatal(err)
	}
	back := make(chan error, 1)
	go func() {
		_, err := s.Write(t.Context(), []engine.Batch{batch("a", 1, 8)}) // 2 to 6 in the first statement
		back <- err
	}()
	waits(t, db, back)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-back; err != nil {
		t.Error(err)
	}
	if n := count(t, db, "SELECT COUNT(*) FROM messages"); n != 8 {
		t.Errorf("%d messages are stored, not 8", n)
	}
}

// A deadlock costs the sink its transaction, and nobody hears of it: it is tried
// again at once.
func TestDeadlock(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	s, db := opened(t, config(dsn)), mariadbtest.DB(t, dsn)
	write(t, s, batch("a", 1, 3), batch("b", 1, 3))
	const change = "UPDATE streams SET messages = messages + 1 WHERE id = "
	deadlock(t, db, s, change+"'a'", change+"'b'", []engine.Batch{batch("a", 4, 6), batch("b", 4, 6)})
	if n := count(t, db, "SELECT SUM(messages) FROM streams"); n != 12 {
		t.Errorf("%d messages are counted, not 12", n)
	}
}

// So does one that a statement of Apply runs into, even where Apply makes nothing
// of it: the transaction is gone.
func TestDeadlockInApply(t *testing.T) {
	for _, swallows := range []bool{false, true} {
		t.Run(fmt.Sprint("swallows-", swallows), func(t *testing.T) {
			d := hooked(t, mariadbtest.DSN(t), "")
			exec(t, d.DB, "INSERT INTO totals VALUES ('x', 0)")
			calls := 0
			s := d.Open(t, func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
				calls++
				if err := d.Adds()(ctx, tx, fresh); err != nil {
					return err
				}
				_, err := tx.ExecContext(ctx, "UPDATE totals SET n = 0 WHERE id = 'x'")
				if swallows {
					err = nil
				}
				return err
			})
			defer func() { _ = s.Close() }()
			write(t, s, batch("a", 1, 3))
			const change = "UPDATE totals SET n = n + 1 WHERE id = "
			deadlock(t, d.DB, s, change+"'a'", change+"'x'", []engine.Batch{batch("a", 4, 6)})
			d.Exact(t, 6)
			if calls != 3 {
				t.Errorf("Apply was called %d times, not once, and twice", calls)
			}
		})
	}
}

// Several servers that write the same streams, and the same messages, leave all
// of it right, a host program's rows, too.
func TestSeveralServers(t *testing.T) {
	const servers, ids = 4, 8
	rounds := long.Scale(20, 400)
	d := hooked(t, mariadbtest.DSN(t), "")
	exec(t, d.DB, "ALTER TABLE totals DROP CONSTRAINT CONSTRAINT_1")
	var wg sync.WaitGroup
	for k := range servers {
		s := d.Open(t, d.Adds())
		wg.Go(func() {
			defer func() { _ = s.Close() }()
			for r := range rounds {
				var group []engine.Batch
				for id := range ids {
					group = append(group, batch(fmt.Sprint("stream-", id), r*10+1+k*5, r*10+10+k*5))
				}
				if _, err := s.Write(t.Context(), group); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want := rounds*10 + (servers-1)*5
	d.Exact(t, ids*want)
	if n := count(t, d.DB, "SELECT COUNT(*) FROM streams WHERE messages = ? AND first_seq = 1 AND last_seq = ?", want, want); n != ids {
		t.Errorf("the rows of %d streams are right, not of %d", n, ids)
	}
}

// Deadlocks and lock waits that come again and again, at any statement, cost
// nothing but time: the whole transaction is repeated.
func TestInjectedDeadlocks(t *testing.T) {
	const ids, size = 16, 10
	each := long.Scale(100, 5000)
	d := hooked(t, mariadbtest.DSN(t), "")
	exec(t, d.DB, "ALTER TABLE totals DROP CONSTRAINT CONSTRAINT_1")
	s := d.Open(t, d.Adds())
	for _, table := range []string{"messages", "streams", "totals"} {
		exec(t, d.DB, "CREATE TRIGGER fault_"+table+" BEFORE INSERT ON "+table+` FOR EACH ROW
			CASE FLOOR(RAND() * 300)
			WHEN 0 THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found, as it were';
			WHEN 1 THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'Lock wait timeout, as it were';
			ELSE BEGIN END;
			END CASE`)
	}
	o := load.Options()
	o.Writers, o.GroupSize = 2, 5*size
	e := load.Run(t, s, o)
	for seq := range each {
		for id := range ids {
			e.Send(load.Message(fmt.Sprint("stream-", id), seq+1))
		}
		e.Wait((seq - 2*size) * ids)
	}
	e.Wait(0)
	if letters := e.Letters(); len(letters) > 0 {
		t.Errorf("%d messages were refused", len(letters))
	}
	d.Exact(t, ids*each)
	t.Logf("%d of %d writes failed", e.Stats().Retries.Transient, e.Stats().Groups)
}

// Answers to COMMIT that are lost, under load: every row is there once, and Apply
// has counted it once.
func TestSwallowedCommits(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	p, through := newProxy(t, dsn)
	d := hooked(t, dsn, through)
	exec(t, d.DB, "ALTER TABLE totals DROP CONSTRAINT CONSTRAINT_1")
	var calls, swallowed atomic.Int64
	s := d.Open(t, func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
		if calls.Add(1)%3 == 0 {
			p.meddle(func() bool { swallowed.Add(1); return true })
		}
		return d.Adds()(ctx, tx, fresh)
	})
	o := load.Options()
	o.Writers = 2
	e := load.Run(t, s, o)
	sent, want := 0, int64(long.Scale(40, 1000))
	for swallowed.Load() < want {
		for id := range 10 {
			e.Send(load.Message(fmt.Sprint("stream-", id), sent/10+1))
			sent++
		}
		e.Wait(sent - 100)
	}
	e.Wait(0)
	if letters := e.Letters(); len(letters) > 0 {
		t.Errorf("%d messages were refused", len(letters))
	}
	d.Exact(t, sent)
	t.Logf("%d answers swallowed; %d messages, of which %d were found to be stored already",
		swallowed.Load(), sent, e.Stats().Duplicates)
	if n := e.Stats().Duplicates; n == 0 {
		t.Error("nothing was stored twice: the answers were not lost")
	}
}

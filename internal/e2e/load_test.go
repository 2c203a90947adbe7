package e2e

import (
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// load is many clients that send at the same time.
type load struct {
	run     run
	senders []*sender
	clients []*client
	total   int // messages, shared equally
}

// newLoad makes total messages of 1,000 ids over 64 connections.
func newLoad(r run, total int) *load {
	const connections = 64
	l := &load{run: r, total: total}
	names := ids(1000)
	for i := range connections {
		l.senders = append(l.senders, newSender(r, i, names))
	}
	l.clients = make([]*client, connections)
	return l
}

// send connects, sends all of it, and waits until it is stored.
func (l *load) send(t *testing.T, url string) {
	t.Helper()
	begun := time.Now()
	each(t, len(l.senders), func(i int) (err error) {
		if l.clients[i], err = dial(url, ""); err != nil {
			return err
		}
		defer l.clients[i].close()
		return l.sendOne(i)
	})
	took := time.Since(begun)
	t.Logf("%d messages in %v: %.0f/s", l.total, took.Round(time.Millisecond), float64(l.total)/took.Seconds())
}

// sendOne sends the share of one client and waits until it is stored.
func (l *load) sendOne(i int) error {
	n := len(l.senders)
	if err := l.senders[i].send(l.clients[i], l.total*(i+1)/n-l.total*i/n); err != nil {
		return err
	}
	return l.clients[i].flush()
}

// judge expects all of it in s.
func (l *load) judge(t *testing.T, s *store) {
	t.Helper()
	sent := make(map[key]int)
	for _, x := range l.senders {
		x.attempted(sent)
	}
	l.run.judge(s.rows(), sent, sent).fine(t, l.total)
	if n := s.streams(); n != 1000 {
		t.Errorf("%d streams", n)
	}
}

// 20,000 messages of 1,000 ids over 64 connections into an empty directory, with
// no configuration at all: none lost, doubled, out of order, or altered.
func TestLoadSQLite(t *testing.T) {
	dir := t.TempDir()
	d := start(t, dir)
	l := newLoad("load", 20_000)
	l.send(t, d.url())
	s := sqliteStore(t, dir)
	l.judge(t, s)
	eventually(t, "every stream is done, since all its senders are gone", func() bool {
		return s.number("SELECT count(*) FROM streams WHERE status = 'done' AND end_reason = 'disconnect'") == 1000
	})
	if n := d.stop(); n["accepted"] != l.total || n["stored"] != l.total {
		t.Errorf("the daemon counts %v", n)
	}
	l.judge(t, s)
	d.quiet()
}

// The same into MariaDB. Nothing else happens there, so there is no reason for any
// deadlock.
func TestLoadMySQL(t *testing.T) {
	s := mysqlStore(t, mariadbtest.DSN(t))
	deadlocks := func() int {
		var name string
		var n int
		if err := s.db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'").Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := deadlocks()
	d := start(t, t.TempDir(), s.args...)
	l := newLoad("load", 20_000)
	l.send(t, d.url())
	if n := d.stop(); n["accepted"] != l.total || n["stored"] != l.total {
		t.Errorf("the daemon counts %v", n)
	}
	l.judge(t, s)
	if n := deadlocks() - before; n != 0 {
		t.Errorf("%d deadlocks", n)
	}
	d.quiet()
}

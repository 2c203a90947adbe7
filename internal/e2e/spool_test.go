package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// spooled lets a daemon keep messages on disk before anything else, and ack them
// then.
var spooled = []string{"--set=delivery.spool=true", "--set=transport.websocket.ack=spooled"}

// crew are clients with their senders.
type crew struct {
	run     run
	senders []*sender
	conns   []*client
}

// newCrew makes n clients that number their messages; every other one has a name.
func newCrew(r run, n int, ids []string) *crew {
	c := &crew{run: r, conns: make([]*client, n)}
	for i := range n {
		x := newSender(r, i, ids)
		x.numbered = true
		c.senders = append(c.senders, x)
	}
	return c
}

// board connects everybody.
func (c *crew) board(d *daemon) {
	d.t.Helper()
	for i := range c.conns {
		query := ""
		if i%2 == 0 {
			query = fmt.Sprintf("?client=%d", i)
		}
		c.conns[i] = d.dial(query)
	}
}

// send lets everybody send n messages and waits until all are acked.
func (c *crew) send(t *testing.T, n int) {
	t.Helper()
	each(t, len(c.conns), func(i int) error {
		s, x := c.senders[i], c.conns[i]
		if err := s.send(x, n); err != nil {
			return err
		}
		return x.wait("all acks", func() bool { return x.total == int64(s.all) })
	})
}

// promised and attempted are what was acked and what was sent.
func (c *crew) promised() map[key]int {
	m := make(map[key]int)
	for i, s := range c.senders {
		s.promised(c.conns[i], m)
	}
	return m
}

func (c *crew) attempted() map[key]int {
	m := make(map[key]int)
	for _, s := range c.senders {
		s.attempted(m)
	}
	return m
}

// What is acked from the spool outlives kill -9, though nothing of it was stored;
// also that of clients without a name, which send nothing again.
func TestSpoolOutlivesKill(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		args := append(append([]string{"--set=router.batch_size=1000", "--set=router.batch_wait=1h"}, spooled...), s.args...)
		c := newCrew("spool", 6, ids(40))
		for range 3 { // what is replayed waits for its linger again, and is killed again
			d := start(t, dir, args...)
			c.board(d)
			for i := range c.senders { // numbers count for a connection; ours go on
				c.conns[i].acked = c.promised1(i)
				c.conns[i].total = int64(c.senders[i].all)
			}
			c.send(t, 300)
			d.kill()
		}
		d := start(t, dir, args...)
		d.stop()
		c.run.judge(s.rows(), c.promised(), c.attempted()).fine(t, sum(c.attempted()))
		s.streams()
		if left := files(t, dir, "ingest-data/undelivered-*"); len(left) > 0 {
			t.Errorf("with a spool nothing is undelivered: %v", left)
		}
	})
}

// promised1 is what the sender i has been promised, as its next connection counts.
func (c *crew) promised1(i int) map[string]int64 {
	m := make(map[string]int64)
	for k, n := range c.senders[i].sent {
		m[k.id] = int64(n)
	}
	return m
}

// With a spool to wait in, a database that is away is no reason not to start, not to
// take messages, or to end with an error.
func TestSpoolWaitsForTheDatabase(t *testing.T) {
	server := mariadbtest.New(t)
	s := mysqlStore(t, server.DSN(t))
	dir := t.TempDir()
	args := append(append([]string{"--set=shutdown_timeout=1s", "--set=router.batch_wait=20ms"}, spooled...), s.args...)
	server.Kill()
	c := newCrew("away", 4, ids(30))
	d := start(t, dir, args...)
	d.says("sink cannot be opened yet: messages wait in the spool")
	c.board(d)
	c.send(t, 200)
	if ready := d.readyz(); !strings.HasPrefix(ready, "ready\n") || !strings.Contains(ready, "sink.mysql: failing") {
		t.Errorf("readyz: %s", ready)
	}
	n := d.stop()
	if n["accepted"] != 800 || n["in-spool"] != 800 || len(files(t, dir, "ingest-data/undelivered-*")) > 0 {
		t.Errorf("counters %v; 800 were taken", n)
	}
	server.Restart(t)
	d = start(t, dir, args...)
	eventually(t, "the spool is empty", func() bool { return strings.Contains(d.readyz(), "spool: ok: 0 messages pending") })
	if n := d.stop(); n["replayed"] != 800 || n["in-spool"] != 0 || n["stored"] != 800 {
		t.Errorf("counters %v; 800 were in the spool", n)
	}
	c.run.judge(s.rows(), c.promised(), c.attempted()).fine(t, 800)
	s.streams()
}

func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	must(t, err)
	return found
}

// What is left in the spool is not forgotten where it is turned off: it stays in use
// until it is empty.
func TestSpoolIsTurnedOff(t *testing.T) {
	dir := t.TempDir()
	s := sqliteStore(t, dir)
	c := newCrew("off", 4, ids(10))
	d := start(t, dir, append([]string{"--set=router.batch_wait=1h", "--set=router.batch_size=1000"}, spooled...)...)
	c.board(d)
	c.send(t, 100)
	d.kill()
	d = start(t, dir)
	d.says("messages are left in the spool: it stays in use")
	d.stop()
	c.run.judge(s.rows(), c.promised(), c.attempted()).fine(t, 400)
	d = start(t, dir)
	if ready := d.readyz(); strings.Contains(ready, "spool") {
		t.Errorf("readyz: %s", ready)
	}
	d.stop()
	d.quiet()
}

// A second daemon does not touch the spool of the first.
func TestSpoolIsLocked(t *testing.T) {
	dir := t.TempDir()
	start(t, dir, spooled...)
	d := launch(t, dir, append([]string{"--set=sink.sqlite.path=other.db"}, spooled...)...)
	if status := d.wait(); status != 3 || !strings.Contains(d.log(), "is in use by another ingestd (process ") {
		t.Errorf("exit status %d: %s", status, d.log())
	}
}

// A spool of a version that this one does not know is refused, not emptied.
func TestSpoolOfAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	d := start(t, dir, append([]string{"--set=router.batch_wait=1h"}, spooled...)...)
	x := d.dial("")
	must(t, x.send(`{"id":1,"seq":1}`), x.waitAck("1", 1))
	d.kill()
	segments := files(t, dir, "ingest-data/spool/*.seg")
	if len(segments) == 0 {
		t.Fatal("there is no segment")
	}
	f, err := os.OpenFile(segments[0], os.O_RDWR, 0)
	must(t, err)
	for _, at := range []int64{8, 48} { // the version, in both copies of the header
		_, err = f.WriteAt([]byte{0xff}, at)
		must(t, err)
	}
	must(t, f.Close())
	d = launch(t, dir, spooled...)
	if status := d.wait(); status != 3 || !strings.Contains(d.log(), filepath.Base(segments[0])) {
		t.Errorf("exit status %d: %s", status, d.log())
	}
}

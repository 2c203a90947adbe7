package e2e

import (
	"fmt"
	"testing"
	"time"
)

// An id that moves from connection to connection keeps its order, though nothing
// of it was stored when it moved.
func TestIDMovesBetweenConnections(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		d := start(t, dir, append(s.args, "--set=router.batch_wait=1h", "--set=router.batch_size=7")...)
		r := run("moves")
		k := key{1, "17"} // whoever sends, the messages are one sequence
		x := newSender(r, 1, nil)
		conns := make([]*client, 5)
		for i := range conns {
			conns[i] = d.dial("")
		}
		n := 0
		for hop := range 150 {
			c := conns[hop%len(conns)]
			for range 1 + hop%5 {
				n++
				must(t, c.send(x.text(k, n)))
			}
			must(t, c.mark())
			if hop%20 == 0 { // some leave for good
				c.cut()
				conns[hop%len(conns)] = d.dial("")
			}
		}
		d.stop()
		sent := map[key]int{k: n}
		r.judge(s.rows(), sent, sent).fine(t, n)
		s.streams()
	})
}

// An id that is new while others are flowing is served like they are, and so is
// one that comes when nothing has happened for longer than anything is kept.
func TestLateID(t *testing.T) {
	dir := t.TempDir()
	d := start(t, dir, "--set=router.idle_timeout=1ms", "--set=router.batch_wait=1h")
	busy, late := d.dial(""), d.dial("")
	x := newSender("late", 1, ids(10))
	stop := make(chan struct{})
	wait := begin(t, 1, func(int) error {
		for {
			select {
			case <-stop:
				return busy.flush()
			default:
			}
			if err := x.send(busy, 20); err != nil {
				return err
			}
			if err := busy.mark(); err != nil {
				return err
			}
		}
	})
	for i := range 50 {
		id := fmt.Sprintf("late %d", i)
		must(t, late.send(fmt.Sprintf(`{"id":%q,"seq":1}{"op":"flush","id":%q}`, id, id)), late.waitAck(id, 1))
	}
	close(stop)
	wait()
	eventually(t, "no stream is live", func() bool { return idle(d) })
	must(t, late.send(`{"id":"last","seq":1}{"op":"flush"}`), late.waitAck("last", 1))
	if n := d.stop(); n["stored"] != x.all+51 {
		t.Errorf("the daemon counts %v, not %d", n, x.all+51)
	}
	d.quiet()
}

// The first messages of an id come over many connections in the same moment: there
// is one stream, and it has them all.
func TestFirstMessagesAtOnce(t *testing.T) {
	dir := t.TempDir()
	d := start(t, dir)
	const clients, streams = 8, 200
	conns := make([]*client, clients)
	for i := range conns {
		conns[i] = d.dial("")
	}
	for k := range streams {
		each(t, clients, func(i int) error {
			return conns[i].send(fmt.Sprintf(`{"id":%d,"data":%d}`, k, i))
		})
	}
	each(t, clients, func(i int) error { return conns[i].flush() })
	s := sqliteStore(t, dir)
	if n := s.number("SELECT count(*) FROM streams WHERE messages = ?", clients); n != streams {
		t.Errorf("%d of %d streams are whole", n, streams)
	}
	if n := s.number("SELECT count(DISTINCT id || '/' || data) FROM messages"); n != clients*streams {
		t.Errorf("%d different messages", n)
	}
	s.streams()
	d.stop()
}

// A trickle that never pauses for the linger is stored all the same: the linger
// runs from the first message of a batch. Were it to start again with each, no ack
// would ever come. (The exact times are the engine's own tests' matter.)
func TestTrickle(t *testing.T) {
	d := start(t, t.TempDir(), "--set=router.batch_wait=500ms", "--set=router.batch_size=1000000")
	c := d.dial("")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for n := 1; ; n++ {
		must(t, c.send(fmt.Sprintf(`{"id":17,"seq":%d}`, n)))
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("a trickle is never stored")
		}
		if acked([]*client{c}) > 0 {
			break
		}
	}
	d.stop()
}

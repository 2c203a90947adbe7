package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// A connection that breaks without a word, with a half-filled batch, leaves
// nothing behind: what it had sent is stored, and its streams are done.
func TestAbruptDisconnect(t *testing.T) {
	dir := t.TempDir()
	d := start(t, dir, "--set=router.batch_wait=1h")
	s := sqliteStore(t, dir)
	r := run("abrupt")
	sent := make(map[key]int)
	for i := range 20 {
		c := d.dial("")
		x := newSender(r, i, nil)
		for n := 1; n <= 3; n++ {
			for _, id := range []string{fmt.Sprintf("own %d", i), "shared"} {
				must(t, c.send(x.text(key{i, id}, n)))
				sent[key{i, id}] = n
			}
		}
		must(t, c.mark())
		c.cut()
	}
	eventually(t, "all streams are done", func() bool {
		return s.number("SELECT count(*) FROM streams WHERE status = 'done' AND end_reason = 'disconnect'") == 21
	})
	r.judge(s.rows(), sent, sent).fine(t, 120)
	s.streams()
	d.stop()
	d.quiet()
}

// A stream ends with the last of its senders, not with the first, and opens again
// with the next message.
func TestDisconnectOfOneOfTwo(t *testing.T) {
	dir := t.TempDir()
	d := start(t, dir)
	s := sqliteStore(t, dir)
	status := func() string { return s.text("SELECT status FROM streams WHERE id = '17'") }
	first, second := d.dial(""), d.dial("")
	must(t, first.send(`{"id":17}`), first.mark(), second.send(`{"id":17}`), second.mark())
	for i := range 20 {
		must(t, first.send(fmt.Sprintf(`{"id":"own %d"}`, i)))
	}
	must(t, first.mark())
	first.cut()
	eventually(t, "its own streams are done", func() bool {
		return s.number("SELECT count(*) FROM streams WHERE id LIKE 'own %' AND status = 'done'") == 20
	})
	_, err := second.ask(`{"op":"flush","id":17}`, "flush")
	must(t, err)
	if status() != "open" {
		t.Errorf("the stream is %s, though one of its senders is there", status())
	}
	must(t, second.send(`{"id":17}`), second.flush())
	second.cut()
	eventually(t, "the stream is done", func() bool { return status() == "done" })
	third := d.dial("")
	must(t, third.send(`{"id":17}`), third.flush())
	if n := s.number("SELECT messages FROM streams WHERE id = '17'"); status() != "open" || n != 4 {
		t.Errorf("the stream is %s and has %d messages", status(), n)
	}
	d.stop()
}

// Clients come, send, and go, all at once and in every way. The daemon is built
// with the race detector, which would end it with a status of its own.
func TestChurn(t *testing.T) {
	path, err := raced()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	d := startProgram(t, path, dir, "--set=router.idle_timeout=10ms", "--set=router.batch_wait=20ms").ready()
	r := run("churn")
	const workers, rounds = 12, 25
	names := ids(30)
	promised, attempted := make([]map[key]int, workers), make([]map[key]int, workers)
	each(t, workers, func(w int) error {
		rng := rand.New(rand.NewPCG(uint64(w), 3))
		promised[w], attempted[w] = make(map[key]int), make(map[key]int)
		for round := range rounds {
			i := w*rounds + round
			x := newSender(r, i, names)
			x.numbered = true
			c, err := dial(d.url(), "")
			if err != nil {
				return err
			}
			if err := x.send(c, rng.IntN(30)); err != nil {
				return err
			}
			switch rng.IntN(4) {
			case 0:
				c.cut()
			case 1:
				_ = c.conn.CloseNow()
			case 2:
				if err := c.flush(); err != nil {
					return err
				}
				c.close()
			default:
				c.close()
			}
			_, _ = c.waitEnd()
			x.promised(c, promised[w])
			x.attempted(attempted[w])
		}
		return nil
	})
	d.stop()
	p, a := make(map[key]int), make(map[key]int)
	for w := range workers {
		for k, n := range promised[w] {
			p[k] = n
		}
		for k, n := range attempted[w] {
			a[k] = n
		}
	}
	s := sqliteStore(t, dir)
	r.judge(s.rows(), p, a).fine(t, d.counts()["accepted"])
	s.streams()
	d.quiet()
}

// done is handled after all reports before it, at once and from many clients, and
// its answer counts them.
func TestDoneComesLast(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		d := start(t, dir, append(s.args, "--set=router.batch_wait=1h")...)
		const clients, streams = 16, 140
		each(t, clients, func(i int) error {
			c, err := dial(d.url(), "")
			if err != nil {
				return err
			}
			defer c.close()
			var frame strings.Builder
			for k := range streams {
				id := fmt.Sprintf("%d/%d", i, k)
				for n := range 1 + k%12 {
					fmt.Fprintf(&frame, `{"id":%q,"data":%d}`, id, n)
				}
				fmt.Fprintf(&frame, `{"op":"done","id":%q,"code":%d,"data":{"id":%q}}`, id, k, id)
			}
			if err := c.send(frame.String()); err != nil {
				return err
			}
			if err := c.wait("all done", func() bool { return len(c.answers) == streams }); err != nil {
				return err
			}
			for _, a := range c.answers {
				var k int64
				if _, err := fmt.Sscanf(a.id(), "%d/%d", new(int), &k); err != nil {
					return err
				}
				if a.Op != "done" || a.Messages == nil || *a.Messages != 1+k%12 {
					return fmt.Errorf("stream %s: answer %+v", a.id(), a)
				}
			}
			return nil
		})
		if n := s.number("SELECT count(*) FROM streams WHERE status = 'done' AND end_reason = 'op'" +
			" AND end_data LIKE '{\"id\":%' AND ended_at IS NOT NULL"); n != clients*streams {
			t.Errorf("%d of %d streams are done", n, clients*streams)
		}
		if n := s.number("SELECT sum(end_code) FROM streams"); n != clients*streams*(streams-1)/2 {
			t.Errorf("the codes add up to %d", n)
		}
		s.streams()
		d.stop()
	})
}

// null is data like any other, and so is no data at all.
func TestNullData(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		d := start(t, dir, s.args...)
		c := d.dial("")
		must(t, c.send(`{"op":"report","id":"n","data":null}`), c.send(`{"id":"n"}`),
			c.send(`{"op":"done","id":"d","data":null}`), c.send(`{"op":"done","id":"e"}`), c.flush())
		if n := s.number("SELECT count(*) FROM messages WHERE data = 'null'"); n != 2 {
			t.Errorf("%d messages with null", n)
		}
		if len(c.errorsOf("bad_message")) != 0 {
			t.Error("null was refused")
		}
		d.stop()
		if n := s.number("SELECT count(*) FROM streams"); n != 3 {
			t.Errorf("%d streams", n)
		}
		d.quiet()
	})
}

// While the database says no, what is pending stays so, and is stored after.
func TestDatabaseError(t *testing.T) {
	dir := t.TempDir()
	d := start(t, dir, "--set=delivery.retry_max=500ms")
	s := sqliteStore(t, dir)
	c := d.dial("")
	x := newSender("error", 1, ids(20))
	x.numbered = true
	must(t, x.send(c, 200), c.flush())

	lock, err := s.db.Conn(t.Context())
	must(t, err)
	defer func() { _ = lock.Close() }()
	_, err = lock.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	must(t, err)
	must(t, x.send(c, 200))
	d.says("write failed: trying again")
	_, err = lock.ExecContext(context.Background(), "ROLLBACK")
	must(t, err, c.flush())

	d.says("writes succeed again")
	if n := d.stop(); n["stored"] != 400 || n["undelivered"] != 0 {
		t.Errorf("the daemon counts %v", n)
	}
	x.run.judge(s.rows(), x.sent, x.sent).fine(t, 400)
	s.streams()
}

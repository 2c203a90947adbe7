package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
)

// A named client whose connection breaks again and again, and that sends
// everything from the start each time, is acked each time, and stores nothing
// twice. So does one that goes on where its acks ended.
func TestNamedClientResends(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		d := start(t, dir, s.args...)
		r := run("resend")
		const clients, total, step = 6, 300, 37
		promised := make(map[key]int)
		each(t, clients, func(i int) error {
			k := key{i, "shared"} // one stream for all
			x := newSender(r, i, nil)
			x.numbered = true
			low := 1
			for sent := step; ; sent = min(sent+step, total) {
				c, err := dial(d.url(), fmt.Sprintf("?client=phone-%d", i))
				if err != nil {
					return err
				}
				for n := low; n <= sent; n++ {
					if err := c.send(x.text(k, n)); err != nil {
						return err
					}
				}
				if sent == total {
					err := c.flush()
					c.close()
					if n := c.acked[k.id]; n != total || len(c.answers) != 1 || c.back {
						return fmt.Errorf("acked %d, answered %v: %w", n, c.answers, err)
					}
					return err
				}
				// Cut off with a half-filled batch, in which some of it may be lost on
				// the way: the acks say what is not.
				if err := c.waitAck(k.id, int64(sent/2)); err != nil {
					return err
				}
				c.cut()
				_, _ = c.waitEnd()
				if i%2 == 1 {
					low = int(c.acked[k.id]) + 1
				}
			}
		})
		for i := range clients {
			promised[key{i, "shared"}] = total
		}
		r.judge(s.rows(), promised, promised).fine(t, clients*total)

		// Once more, all of it, in the other order of clients.
		before := s.text("SELECT first_at FROM streams")
		for i := clients - 1; i >= 0; i-- {
			c := d.dial(fmt.Sprintf("?client=phone-%d", i))
			x := newSender(r, i, nil)
			x.numbered = true
			for n := 1; n <= total; n++ {
				must(t, c.send(x.text(key{i, "shared"}, n)))
			}
			must(t, c.flush(), c.waitAck("shared", total))
			if len(c.errorsOf("conflict")) != 0 {
				t.Errorf("a duplicate is called a conflict")
			}
			c.close()
		}
		n := d.stop()
		if n["stored"] != clients*total || n["stored"]+n["duplicates"] != n["accepted"] {
			t.Errorf("the daemon counts %v", n)
		}
		r.judge(s.rows(), promised, promised).fine(t, clients*total)
		if n := s.streams(); n != 1 || s.text("SELECT first_at FROM streams") != before {
			t.Errorf("%d streams, begun at %s, not %s", n, s.text("SELECT first_at FROM streams"), before)
		}
	})
}

// Without a name, numbers count for one connection: whoever begins at 1 again
// loses nothing.
func TestNamelessClientRestarts(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		d := start(t, dir, s.args...)
		r := run("nameless")
		sent := make(map[key]int)
		for i := range 4 {
			c := d.dial("")
			x := newSender(r, i, nil)
			x.numbered = true
			k := key{i, "17"}
			for n := 1; n <= 25; n++ {
				must(t, c.send(x.text(k, n)))
			}
			must(t, c.flush(), c.waitAck("17", 25))
			sent[k] = 25
			c.cut()
		}
		d.stop()
		r.judge(s.rows(), sent, sent).fine(t, 100)
		if n := s.number("SELECT count(*) FROM messages WHERE seq < 4611686018427387904 OR client <> ''"); n != 0 {
			t.Errorf("%d messages have numbers of clients without name", n)
		}
	})
}

// With a name, whoever begins at 1 again with something else is told so of each
// message; what is stored stays, and the connection goes on.
func TestNamedClientConflicts(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		d := start(t, dir, s.args...)
		const messages = 150 // more than the refusals after which a sink counts as broken
		r := run("conflict")
		first, again := key{1, "17"}, key{2, "17"}
		c := d.dial("?client=phone")
		x := newSender(r, 1, nil)
		x.numbered = true
		for n := 1; n <= messages; n++ {
			must(t, c.send(x.text(first, n)))
		}
		must(t, c.flush(), c.waitAck("17", messages))
		c.cut()

		c = d.dial("?client=phone")
		for n := 1; n <= messages; n++ {
			must(t, c.send(x.text(again, n)))
		}
		must(t, c.flush())
		conflicts := c.errorsOf("conflict")
		if len(conflicts) != messages {
			t.Fatalf("%d conflicts", len(conflicts))
		}
		for i, a := range conflicts {
			if a.Seq != int64(i+1) || a.id() != "17" || a.Retry {
				t.Fatalf("conflict %d is %+v", i, a)
			}
		}
		must(t, c.send(x.text(first, messages+1)), c.flush(), c.waitAck("17", messages+1))
		n := d.stop()
		if n["refused"] != messages || n["stored"] != messages+1 {
			t.Errorf("the daemon counts %v", n)
		}
		sent := map[key]int{first: messages + 1}
		r.judge(s.rows(), sent, sent).fine(t, messages+1)
		s.streams()
		told, lines := 0, regexp.MustCompile(`messages are refused: count=(\d+)`).FindAllStringSubmatch(d.log(), -1)
		for _, line := range lines {
			n, _ := strconv.Atoi(line[1])
			told += n
		}
		if told != messages || len(lines) > messages/10 {
			t.Errorf("the log tells of %d refusals in %d lines", told, len(lines))
		}
	})
}

// Two named clients on one id, at the same time and with the same numbers, keep
// all of theirs.
func TestTwoNamedClients(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		d := start(t, dir, s.args...)
		r := run("two")
		sent := make(map[key]int)
		for i := range 2 {
			sent[key{i, "17"}] = 500
		}
		each(t, 2, func(i int) error {
			c, err := dial(d.url(), fmt.Sprintf("?client=%d", i))
			if err != nil {
				return err
			}
			defer c.close()
			x := newSender(r, i, []string{"17"})
			x.numbered = true
			if err := x.send(c, 500); err != nil {
				return err
			}
			if err := c.flush(); err != nil {
				return err
			}
			return c.waitAck("17", 500)
		})
		d.stop()
		r.judge(s.rows(), sent, sent).fine(t, 1000)
		if n := s.streams(); n != 1 {
			t.Errorf("%d streams", n)
		}
	})
}

// A client asks where to go on, and is told right: within one connection, after
// the daemon was restarted, and after it was killed.
func TestResume(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		resume := func(c *client, want int64) {
			t.Helper()
			a, err := c.ask(`{"op":"resume","id":17}`, "resume")
			if err != nil || a.Seq != want {
				t.Errorf("resume says %d, not %d: %v", a.Seq, want, err)
			}
		}
		d := start(t, dir, s.args...)
		c := d.dial("?client=phone")
		resume(c, 0)
		for n := 3; n <= 30; n += 3 {
			must(t, c.send(fmt.Sprintf(`{"id":17,"seq":%d}`, n)))
		}
		resume(c, 30)
		must(t, c.send(`{"id":17}`)) // the server's own number is no client's
		resume(c, 30)
		other := d.dial("?client=another")
		resume(other, 0)
		must(t, c.send(`{"id":17,"seq":31}`), c.mark())
		d.stop()

		d = start(t, dir, s.args...)
		c = d.dial("?client=phone")
		resume(c, 31)
		must(t, c.send(`{"id":17,"seq":40}`), c.send(`{"op":"flush","id":17}`), c.waitAck("17", 40),
			c.send(`{"id":17,"seq":41}`), c.mark()) // taken, not acked, and lost with the daemon
		d.kill()

		d = start(t, dir, s.args...)
		resume(d.dial("?client=phone"), 40)
		d.stop()
		if n := s.number("SELECT count(*) FROM messages"); n != 13 {
			t.Errorf("%d rows", n)
		}
		s.streams()
	})
}

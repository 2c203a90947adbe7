package e2e

import (
	"fmt"
	"testing"

	"github.com/coder/websocket"
)

// SIGTERM while messages flow, from clients of every kind: what the daemon took it
// stores, what it acked all the more, everybody hears 1001, and the status is 0.
func TestTermUnderLoad(t *testing.T) {
	bothStores(t, func(t *testing.T, dir string, s *store) {
		d := start(t, dir, s.args...)
		r := run("term")
		names := ids(200)
		const clients = 24
		promised, attempted := make(map[key]int), make(map[key]int)
		senders, conns := make([]*sender, clients), make([]*client, clients)
		for i := range clients {
			// A third are named and numbered, a third only numbered, a third neither.
			query := ""
			if i%3 == 0 {
				query = fmt.Sprintf("?client=phone-%d", i)
			}
			senders[i] = newSender(r, i, names)
			senders[i].numbered = i%3 != 2
			conns[i] = d.dial(query)
		}
		wait := begin(t, clients, func(i int) error {
			for senders[i].send(conns[i], 100) == nil { // until the daemon is gone
			}
			code, err := conns[i].waitEnd()
			if code != websocket.StatusGoingAway {
				return fmt.Errorf("client %d: %w", i, err)
			}
			if conns[i].back {
				return fmt.Errorf("client %d: an ack went back", i)
			}
			return nil
		})
		eventually(t, "thousands are acked", func() bool { return acked(conns) > 3000 })
		d.term()
		wait()
		if status := d.wait(); status != 0 {
			t.Errorf("exit status %d", status)
		}
		for i, x := range senders {
			x.promised(conns[i], promised)
			if x.numbered {
				// Whoever hears acks has heard of all that is stored before the 1001.
				x.promised(conns[i], attempted)
			} else {
				x.attempted(attempted)
			}
		}
		n := d.counts()
		r.judge(s.rows(), promised, attempted).fine(t, n["accepted"])
		if n["stored"] != n["accepted"] || n["stored"] < sum(promised) || sum(promised) <= 3000 {
			t.Errorf("the daemon counts %v, and acked %d", n, sum(promised))
		}
		if n := s.streams(); n != len(names) {
			t.Errorf("%d streams", n)
		}
		// A shutdown ends no stream.
		if n := s.number("SELECT count(*) FROM streams WHERE status <> 'open'"); n != 0 {
			t.Errorf("%d streams were ended", n)
		}
		d.quiet()
	})
}

// acked is how many messages were acked, where all are numbered from 1 on.
func acked(clients []*client) (n int64) {
	for _, c := range clients {
		c.mu.Lock()
		n += c.total
		c.mu.Unlock()
	}
	return n
}

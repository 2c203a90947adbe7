package chaos

import (
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/internal/long"
)

// The network is slow, cuts everything into pieces, resets connections in the
// middle of a frame, stops, and takes clients away without a word: nothing is
// lost, and at last the daemon has no more sockets than at first.
func TestBadNetwork(t *testing.T) {
	s := onSQLite(t, "--set=router.batch_wait=50ms",
		"--set=transport.websocket.ping_interval=300ms", "--set=transport.websocket.ping_timeout=700ms")
	before := s.sockets()
	p := newProxy(t, s.listen())
	const clients = 8
	s.begin(p.address(), drill.LoadConfig{Named: clients - 2, Nameless: 2, IDs: 50, Rate: 2000})
	rounds := long.Scale(1, 5)
	for range rounds {
		p.set(faults{latency: time.Duration(long.Scale(50, 500)) * time.Millisecond})
		s.works()
		s.works()

		p.set(faults{slices: true})
		s.works()
		s.works()

		accepted, _ := p.count()
		p.set(faults{resets: 10})
		eventually(t, "connections are reset and made again", func() bool {
			now, _ := p.count()
			return now >= accepted+20
		})
		p.set(faults{})
		s.works()

		// Shorter and longer than the pings have patience.
		for _, d := range []time.Duration{300 * time.Millisecond, time.Duration(long.Scale(2, 30)) * time.Second} {
			p.set(faults{stalled: true})
			last(d)
			p.set(faults{})
			s.works()
		}

		eventually(t, "all clients are back", func() bool { return p.open() == clients })
		p.abandon()
		s.works() // its clients are back, under the same names, while their old connections stand
		eventually(t, "the daemon finds out who is gone", func() bool {
			_, ghosts := p.count()
			return ghosts == 0
		})
	}
	ctx, cancel := s.patience()
	defer cancel()
	if err := s.load.Finish(ctx); err != nil {
		t.Error(err)
	}
	eventually(t, "the daemon has no more sockets than at first", func() bool { return s.sockets() <= before })
	s.end(500)
}

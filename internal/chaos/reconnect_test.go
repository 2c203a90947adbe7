package chaos

import (
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/internal/long"
)

// Clients lose their connections again and again, and send again what was not
// acked.
func TestReconnects(t *testing.T) {
	onEach(t, func(t *testing.T, s *subject) {
		p := newProxy(t, s.listen())
		s.begin(p.address(), drill.LoadConfig{Named: 8, IDs: 40, Rate: 4000})
		reconnects := long.Scale(60, 1000)
		for {
			s.works()
			if accepted, _ := p.count(); accepted >= 8+reconnects {
				break
			}
			last(time.Duration(s.rng.Int64N(int64(30 * time.Millisecond))))
			p.cut()
		}
		s.end(500)
	}, "--set=router.batch_wait=20ms")
}

// Two named clients write one id. What the daemon answers is swallowed, so that
// they do not know what is stored; they send it again over new connections, and
// now and then to a new daemon.
func TestTwoClientsSwallowedAnswers(t *testing.T) {
	onEach(t, func(t *testing.T, s *subject) {
		p := newProxy(t, s.listen())
		s.begin(p.address(), drill.LoadConfig{Named: 2, IDs: 1, Rate: 2000})
		for i := range long.Scale(6, 60) {
			s.works()
			p.set(faults{swallow: true})
			last(time.Duration(s.rng.Int64N(int64(150 * time.Millisecond))))
			if i%3 == 2 {
				s.daemon.Kill()
				s.again()
			}
			p.set(faults{})
			p.cut()
		}
		if p.lost() == 0 {
			t.Error("void: nothing was swallowed")
		}
		s.works()
		s.end(500)
	}, "--set=router.batch_wait=20ms")
}

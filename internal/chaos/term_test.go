package chaos

import (
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/internal/long"
)

// A daemon that is asked to drain, and is killed while it does, or soon after:
// what was acked is stored, and the next one goes on.
func TestKilledWhileItDrains(t *testing.T) {
	onEach(t, func(t *testing.T, s *subject) {
		s.begin(s.listen(), drill.LoadConfig{Named: 6, Nameless: 2, IDs: 50, Rate: 4000})
		cycles, early := long.Scale(2, 100), 0
		for i := range cycles {
			s.works()
			if err := s.daemon.Term(); err != nil {
				t.Fatal(err)
			}
			// The first ones hit the drain itself, which does not take long.
			if most := []time.Duration{time.Microsecond, 20 * time.Millisecond, 2 * time.Second}[i%3]; most > 0 {
				last(time.Duration(s.rng.Int64N(int64(most))))
			}
			s.daemon.Kill()
			if status, _ := s.daemon.Wait(t.Context()); status == -1 {
				early++
			}
			s.again()
		}
		t.Logf("%d of %d drains were cut short", early, cycles)
		if early == 0 {
			t.Error("void: every drain had ended before the daemon was killed")
		}
		s.works()
		s.end(int64(100 * cycles))
	}, "--set=router.batch_wait=100ms")
}

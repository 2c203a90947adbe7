package spool

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
)

// small are limits with which a stream's share is 8 KiB.
func small(c *Config) {
	c.Max = 64 * engine.MiB
	c.Limits = Limits{MaxPending: 64 * engine.KiB, MaxStreams: 100}
}

// of gives what next was given of a stream.
func (h *held) of(id string) (data []string) {
	for _, m := range h.got() {
		if m.ID == id {
			data = append(data, string(m.Data))
		}
	}
	return data
}

// TestStuckStream has streams that cannot be stored: each is given its share and no
// more, all others go on; afterwards the stuck ones catch up, in order, while new
// messages come for them.
func TestStuckStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stuck, rounds = 3, 120
		next := newHeld()
		next.auto = func(m *engine.Message) bool { return !strings.HasPrefix(m.ID, "stuck") }
		r := start(t, newCrashFS(), next, small)
		var want []string
		send := func(i int) {
			data := fmt.Sprint(i, strings.Repeat("x", 300))
			want = append(want, data)
			for k := range stuck {
				r.send(fmt.Sprint("stuck", k), data)
			}
			r.send("fine", data)
		}
		for i := range rounds {
			send(i)
		}
		synctest.Wait()
		if got := next.of("fine"); !slices.Equal(got, want) {
			t.Errorf("of the other stream %d messages are handed on", len(got))
		}
		for id, c := range next.cost {
			if c > 8<<10 || strings.HasPrefix(id, "stuck") && c < 7<<10 {
				t.Errorf("stream %q holds %d bytes", id, c)
			}
		}
		if st := r.Stats(); st.Parked != stuck {
			t.Errorf("%d streams are parked", st.Parked)
		}
		// They store again, slowly and one after the other.
		for i := rounds; r.Stats().Pending > 0; i++ {
			if i < rounds+60 {
				send(i)
			}
			if i > 100*rounds {
				t.Fatalf("%d messages are left", r.Stats().Pending)
			}
			next.settle(fmt.Sprint("stuck", i%stuck), 5, nil)
			synctest.Wait()
			for id, c := range next.cost {
				if c > 8<<10 {
					t.Fatalf("stream %q holds %d bytes", id, c)
				}
			}
		}
		for k := range stuck {
			if got := next.of(fmt.Sprint("stuck", k)); !slices.Equal(got, want) {
				t.Errorf("stream %d: %d messages are handed on of %d, or in another order", k, len(got), len(want))
			}
		}
		if st := r.Stats(); st.Parked != 0 {
			t.Errorf("%d streams are parked", st.Parked)
		}
		if err := r.end(true); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestBacklog leaves a backlog of one stream, and of many, on disk: what is in memory
// does not grow with it.
func TestBacklog(t *testing.T) {
	messages := long.Scale(20_000, 500_000)
	next := newHeld()
	r := start(t, newCrashFS(), next, func(c *Config) {
		c.Max = 8 * engine.GiB
		c.Limits = Limits{MaxPending: 64 * engine.KiB, MaxStreams: 100}
		c.fs, c.Dir = nil, t.TempDir()
	})
	for i := range messages {
		if err := r.Route(t.Context(), engine.Message{ID: fmt.Sprint(i % 3), Data: []byte(strings.Repeat("x", 200))}, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.rest()
	before := heap()
	for i := range messages {
		if err := r.Route(t.Context(), engine.Message{ID: fmt.Sprint(i % 3), Data: []byte(strings.Repeat("x", 200))}, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.rest()
	if after := heap(); after > before+int64(4*mostPending) {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	next.mu.Lock()
	most := next.most
	next.mu.Unlock()
	if most > 3*32 {
		t.Errorf("next holds %d messages", most)
	}
	if st := r.Stats(); st.Pending != int64(2*messages) {
		t.Errorf("stats: %+v", st)
	}
	if err := r.end(true); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// rest waits until all is on disk.
func (r *running) rest() {
	for idle := false; !idle; runtime.Gosched() {
		r.Spool.mu.Lock()
		idle = r.pending.count == 0 && r.idle
		r.Spool.mu.Unlock()
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestDrain ends a spool while messages wait for their share: with time enough all
// are handed on, without it the rest stays, and the producers hear of that.
func TestDrain(t *testing.T) {
	for _, enough := range []bool{true, false} {
		t.Run(fmt.Sprint(enough), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := newHeld()
				r := start(t, newCrashFS(), next, func(c *Config) {
					small(c)
					c.DrainTimeout = time.Minute
				})
				const messages = 300
				for i := range messages {
					r.send(fmt.Sprint(i%2), fmt.Sprint(i, strings.Repeat("x", 200)))
				}
				synctest.Wait()
				if n := len(next.got()); n >= messages/2 {
					t.Fatalf("%d messages are handed on", n)
				}
				began := time.Now()
				r.stop()
				synctest.Wait()
				if enough {
					time.Sleep(10 * time.Second)
					next.settleAll()
				}
				if err := r.try("0", "late"); !errors.Is(err, engine.ErrClosed) {
					t.Errorf("Route: %v", err)
				}
				err := r.end(true)
				took, left := time.Since(began), r.left()
				switch {
				case err != nil:
					t.Errorf("Run: %v", err)
				case enough && (left != 0 || took != 10*time.Second || len(next.got()) != messages):
					t.Errorf("%d messages are left after %v", left, took)
				case !enough && (left != messages || took != time.Minute):
					t.Errorf("%d messages are left after %v", left, took)
				}
				// What was left comes in the next run, with its numbers.
				later := newHeld()
				later.settleAll()
				seqs := make(map[string]int64)
				for _, m := range next.got() {
					seqs[string(m.Data)] = m.Seq
				}
				again := start(t, r.fs, later, small)
				synctest.Wait()
				if n := len(later.got()); n != left || again.Stats().Replayed != uint64(left) {
					t.Errorf("%d messages come again, not %d: %+v", n, left, again.Stats())
				}
				for _, m := range later.got() {
					if seq, ok := seqs[string(m.Data)]; ok && seq != m.Seq {
						t.Errorf("message %.5s has number %d, and had %d", m.Data, m.Seq, seq)
					}
				}
				if err := again.end(true); err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

// TestNextRefuses has a next that has too many streams for a while, and then refuses
// a message for good that is larger than it takes now: only its stream waits.
func TestNextRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newHeld()
		next.settleAll()
		began := time.Now()
		var tries atomic.Int64
		next.refuse = func(m *engine.Message) error {
			if m.ID == "new" && time.Since(began) < 10*time.Second {
				tries.Add(1)
				return engine.ErrTooManyStreams
			}
			if len(m.Data) > 1000 && time.Since(began) < time.Hour {
				return engine.Permanent(errors.New("too large"))
			}
			return nil
		}
		r := start(t, newCrashFS(), next, nil)
		r.send("new", "1")
		r.send("other", "2")
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if n := len(next.got()); n != 0 || tries.Load() > 1000 {
			t.Errorf("%d messages after %d tries", n, tries.Load())
		}
		time.Sleep(2 * time.Second)
		r.send("large", strings.Repeat("x", 2000))
		r.send("large", "small")
		r.send("other", "3")
		synctest.Wait()
		if n := len(next.got()); n != 3 {
			t.Errorf("%d messages are handed on", n)
		}
		if h := r.Health(); h.Refused == nil || !strings.Contains(r.log.String(), "waits for other limits") {
			t.Errorf("health: %+v", h)
		}
		time.Sleep(2 * time.Hour)
		r.Update(Limits{MaxPending: engine.MiB, MaxStreams: 10, DrainTimeout: time.Second})
		synctest.Wait()
		if got := next.of("large"); len(got) != 2 || got[1] != "small" {
			t.Errorf("%d messages of the stream come then", len(got))
		}
		if h := r.Health(); h.Refused != nil {
			t.Errorf("health: %+v", h)
		}
		if err := r.end(true); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestDrainTimeout is about how long a drain takes, where next takes nothing.
func TestDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newHeld()
		next.refuse = func(*engine.Message) error { return engine.ErrTooManyStreams }
		r := start(t, newCrashFS(), next, func(c *Config) { c.DrainTimeout = time.Hour })
		r.send("a", "x")
		synctest.Wait()
		limits := *r.limits.Load()
		limits.DrainTimeout = 5 * time.Second
		r.Update(limits)
		began := time.Now()
		if err := r.end(true); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(began); took != limits.DrainTimeout {
			t.Errorf("it took %v", took)
		}
	})
}

// TestManyStreams hands on no more streams at once than next takes.
func TestManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newHeld()
		r := start(t, newCrashFS(), next, func(c *Config) { c.MaxStreams = 7 })
		for i := range 50 {
			r.send(fmt.Sprint(i), "x")
			r.send(fmt.Sprint(i), "y")
		}
		for i := range 50 {
			time.Sleep(time.Second)
			synctest.Wait()
			if n := len(next.got()); n < min(i+7, 50)*2-1 || n > min(i+7, 50)*2 {
				t.Fatalf("%d messages are handed on when %d streams are settled", n, i)
			}
			next.settle(fmt.Sprint(i), 2, nil)
		}
		if err := r.end(true); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

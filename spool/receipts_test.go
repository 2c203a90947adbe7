package spool

import (
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// oldest checks how long ago the oldest message was received, by the counters.
func (r *running) oldest(what string, want, within time.Duration) {
	r.t.Helper()
	st := r.Stats()
	if st.Pending == 0 || st.Oldest.IsZero() {
		r.t.Errorf("%s: nothing waits: %d messages, since %v", what, st.Pending, st.Oldest)
	} else if age := time.Since(st.Oldest); age < want || age > want+within {
		r.t.Errorf("%s: the oldest is %v old, not %v", what, age, want)
	}
}

func (r *running) noneWaits(what string) {
	r.t.Helper()
	if st := r.Stats(); st.Pending != 0 || !st.Oldest.IsZero() {
		r.t.Errorf("%s: %d messages wait, since %v", what, st.Pending, st.Oldest)
	}
}

// pass lets time pass, and all come to rest.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// received routes a message as a transport does.
func (r *running) received(id string) {
	r.t.Helper()
	m := engine.Message{ID: id, Data: []byte(strings.Repeat("x", 300)), Received: time.Now()}
	if err := r.route(r.t.Context(), r.Spool, m); err != nil {
		r.t.Errorf("Route: %v", err)
	}
	synctest.Wait()
}

// TestOldest has a quiet spool, and one whose sink is away for hours: the age is that
// of the oldest message that waits, in whatever segment it is, and none where none
// waits.
func TestOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next, away := newHeld(), false
		next.auto = func(*engine.Message) bool { return !away }
		fs := newCrashFS()
		r := start(t, fs, next, nil)
		r.noneWaits("at first")
		for range 50 { // all in one segment
			r.received("a")
			r.noneWaits("quiet")
			pass(10 * time.Minute)
		}
		away = true
		r.received("a")
		r.oldest("just come", 0, time.Second)
		pass(time.Hour)
		for range 10 {
			r.received("b")
			pass(time.Minute)
		}
		r.oldest("an outage", 70*time.Minute, 0)
		next.settle("a", 1, nil)
		synctest.Wait()
		r.oldest("the first is stored", 10*time.Minute, time.Second)
		next.settle("b", 10, nil)
		synctest.Wait()
		r.noneWaits("after the outage")
		pass(5 * time.Hour)
		r.noneWaits("quiet again")
		r.received("b")
		pass(time.Second)
		r.oldest("after nothing waited", time.Second, 0)

		if err := r.end(true); err != nil { // what is not stored is left
			t.Errorf("Run: %v", err)
		}
		pass(time.Hour)
		next = newHeld()
		r = start(t, fs, next, nil)
		synctest.Wait()
		r.oldest("after a restart", time.Hour+time.Second, 2*time.Second)
		r.received("c")
		next.settle("b", 1, nil)
		synctest.Wait()
		r.oldest("what the last run left is stored", 0, time.Second)
		next.settleAll()
		synctest.Wait()
		r.noneWaits("all is stored")
		if err := r.end(true); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestOldestOfStuckStream has a stream that cannot be stored, and that is parked,
// among others that are.
func TestOldestOfStuckStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newHeld()
		next.auto = func(m *engine.Message) bool { return m.ID != "stuck" }
		fs := newCrashFS()
		r := start(t, fs, next, small)
		r.received("fine")
		pass(time.Hour)
		for range 600 {
			r.received("stuck")
			r.received("fine")
			pass(time.Minute)
		}
		if st := r.Stats(); st.Parked != 1 {
			t.Errorf("%d streams are parked", st.Parked)
		}
		const coarse = 10 * time.Hour / 64
		r.oldest("stuck", 10*time.Hour, 0)
		for left := 600; left > 1; {
			for _, m := range next.settle("stuck", 7, nil) {
				if m.Kind == engine.Report {
					left--
				}
			}
			synctest.Wait()
			if left > 0 {
				r.oldest("going on", time.Duration(left)*time.Minute, coarse+time.Second)
			}
		}
		if err := r.end(true); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestOldestUnwritten has a disk that takes no writes.
func TestOldestUnwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newCrashFS()
		next := newHeld()
		next.auto = func(*engine.Message) bool { return true }
		r := start(t, fs, next, nil)
		r.received("a")
		pass(time.Hour)
		fs.mu.Lock()
		fs.full = true
		fs.fault = func(op, _ string, size int) (int, error) {
			if op == "write" {
				return 0, errCrashed
			}
			return size, nil
		}
		fs.mu.Unlock()
		r.received("a")
		pass(time.Minute)
		r.received("b")
		pass(time.Minute)
		r.oldest("not on disk", 2*time.Minute, 0)
		fs.mu.Lock()
		fs.full, fs.fault = false, nil
		fs.mu.Unlock()
		pass(2 * time.Second)
		r.noneWaits("on disk")
		if err := r.end(true); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// Receipts are few, however long messages wait, and right as they promise while what
// is settled goes forward in leaps.
func TestReceipts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var r receipts
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var at []time.Time // by position
	now, floor, longest := begin, uint64(0), time.Duration(0)
	for p := range uint64(100_000) {
		now = now.Add(time.Duration(rng.ExpFloat64() * float64(time.Second)))
		at = append(at, now)
		r.note(p, now, func() uint64 { return floor })
		if len(r.list) > mostReceipts {
			t.Fatalf("there are %d", len(r.list))
		}
		wait := now.Sub(at[floor])
		longest = max(longest, wait)
		if early := at[floor].Sub(r.of(floor)); early < 0 || early > receiptEvery+longest/64 {
			t.Fatalf("position %d of %d is said to be %v too early; the longest wait was %v", floor, p, early, longest)
		}
		if p%20_000 > 19_990 { // nothing waits but the last
			if floor = p; p%20_000 == 19_999 {
				longest = 0
			}
		} else if rng.IntN(100) == 0 {
			floor += rng.Uint64N(p - floor + 1)
		}
	}
}

// A clock that is set back does not keep receipts from being few, and new ones from
// being noted.
func TestReceiptsClock(t *testing.T) {
	var r receipts
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for p := range uint64(10_000) {
		if now = now.Add(time.Minute); p%3 == 0 {
			now = now.Add(-time.Hour)
		}
		r.note(p, now, func() uint64 { return 0 })
		if len(r.list) > mostReceipts {
			t.Fatalf("there are %d", len(r.list))
		}
	}
	now = now.Add(-24 * time.Hour)
	r.note(10_000, now, func() uint64 { return 10_000 })
	if got := r.of(10_000); !got.Equal(now) {
		t.Errorf("it was received at %v, not %v", now, got)
	}
}

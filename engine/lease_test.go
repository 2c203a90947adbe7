package engine_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
)

func isLost(l *engine.Lease) bool {
	select {
	case <-l.Lost():
		return true
	default:
		return false
	}
}

func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := engine.NewLease(4 * time.Second)
		held := func(want bool) {
			t.Helper()
			synctest.Wait()
			if isLost(l) == want { // before Held looks
				t.Errorf("lost: %v", !want)
			}
			if l.Held() != want {
				t.Errorf("held: %v", !want)
			}
		}
		held(true)
		time.Sleep(3 * time.Second)
		sent := time.Now()
		time.Sleep(time.Second - 1)
		held(true)
		l.Extend(sent, 4*time.Second) // until 7 s after the start
		l.Extend(sent, time.Second)   // is no shorter for it
		l.Extend(sent.Add(-time.Hour), time.Minute)
		time.Sleep(3 * time.Second)
		held(true)
		time.Sleep(1)
		held(false)
		l.Extend(time.Now(), time.Hour)
		held(false)
		l.Lose()
		held(false)

		l = engine.NewLease(time.Hour)
		l.Lose()
		held(false)
		l.Extend(time.Now(), 2*time.Hour)
		held(false)
		time.Sleep(3 * time.Hour)
		held(false)
	})
	var none *engine.Lease
	if !none.Held() || none.Lost() != nil {
		t.Error("none is held for ever")
	}
	if engine.NewLease(0).Held() || engine.NewLease(-time.Second).Held() {
		t.Error("held for no time")
	}
}

// What is asked by many at once, extended and lost.
func TestLeaseAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := engine.NewLease(time.Second)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				was := true
				for range 1000 {
					is := l.Held()
					if is && !was {
						t.Error("held again")
					}
					was = is
					l.Extend(time.Now(), time.Second)
					time.Sleep(time.Millisecond)
				}
			})
		}
		time.Sleep(500 * time.Millisecond)
		if !l.Held() {
			t.Error("lost")
		}
		l.Lose()
		all.Wait()
		if l.Held() {
			t.Error("held")
		}
	})
}

// What one stream has of an old lease that was lost is fenced, what it has of a new
// one is stored.
func TestFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		r := start(t, s, nil)
		older, newer := engine.NewLease(time.Hour), engine.NewLease(time.Hour)
		for i, l := range []*engine.Lease{nil, older, older, newer, nil, older, newer} {
			r.route(engine.Message{ID: "a", Data: []byte{'0' + byte(i)}, Lease: l})
		}
		older.Lose()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.stored("a"); len(got) != 4 || got[0] != "0" || got[1] != "3" || got[2] != "4" || got[3] != "6" {
			t.Errorf("stored: %q", got)
		}
		if st := r.Stats(); st.Fenced != 3 || st.Stored != 4 {
			t.Errorf("stats: %+v", st)
		}
		r.end()
	})
}

// A Write under way is ended when a lease is lost, and what has none goes on at once.
func TestLeaseEndsAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		lease := engine.NewLease(20 * time.Second)
		s.fault = func(ctx context.Context, batches []engine.Batch) (int, error) {
			for _, b := range batches {
				switch b.ID {
				case "first": // the others come together meanwhile
					time.Sleep(time.Second)
				case "hangs":
					<-ctx.Done()
					return 0, ctx.Err()
				}
			}
			return 0, nil
		}
		r := start(t, s, func(o *engine.Options) { o.Writers, o.BatchSize = 1, 1 })
		r.send("first", "0")
		synctest.Wait()
		r.route(engine.Message{ID: "hangs", Lease: lease})
		r.send("plain", "1")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s.count() != 1 {
			t.Errorf("%d are stored", s.count())
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s.count() != 2 || r.Stats().Retries.Transient != 0 {
			t.Errorf("%d are stored: %+v", s.count(), r.Stats())
		}
		r.end()
	})
}

package engine_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
)

func TestBatchIsReadyAtItsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), nil)
		for i := range 9 {
			r.send("a", fmt.Sprint(i))
		}
		synctest.Wait()
		if n := r.store.count(); n != 0 {
			t.Errorf("%d stored before the batch was full", n)
		}
		r.send("a", "9")
		synctest.Wait()
		if n := r.store.count(); n != 10 {
			t.Errorf("%d stored of a full batch of 10", n)
		}
		if f := r.Stats().Flushes; f != (engine.Flushes{Count: 1}) {
			t.Errorf("flushes: %+v", f)
		}
		r.end()
	})
}

func TestBatchIsReadyAtItsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), func(o *engine.Options) { o.BatchBytes = 100 })
		r.send("a", strings.Repeat("1", 50))
		synctest.Wait()
		if n := r.store.count(); n != 0 {
			t.Error("stored too early")
		}
		r.send("a", strings.Repeat("2", 50))
		synctest.Wait()
		if f := r.Stats().Flushes; f != (engine.Flushes{Bytes: 1}) || r.store.count() != 2 {
			t.Errorf("flushes: %+v", f)
		}
		r.end()
	})
}

// The linger counts from the first message of a batch. A timer that started again
// with each message stored a trickle after 31 seconds.
func TestTrickleIsStoredAfterItsLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), nil)
		began := time.Now()
		for i := range 8 {
			r.send("a", fmt.Sprint(i))
			time.Sleep(3 * time.Second) // virtual
			if time.Since(began) == 12*time.Second {
				synctest.Wait()
				if got := r.store.stored("a"); !reflect.DeepEqual(got, []string{"0", "1", "2", "3"}) {
					t.Errorf("after 12 s: %v", got)
				}
			}
		}
		synctest.Wait()
		if got := r.store.stored("a"); len(got) != 8 {
			t.Errorf("after 24 s: %v", got) // 4 at 10 s, 4 at 22 s
		}
		if f := r.Stats().Flushes; f != (engine.Flushes{Linger: 2}) {
			t.Errorf("flushes: %+v", f)
		}
		r.end()
	})
}

func TestLingerIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), nil)
		r.send("a", "1")
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		if n := r.store.count(); n != 0 {
			t.Error("stored before its linger was over")
		}
		time.Sleep(1)
		synctest.Wait()
		if n := r.store.count(); n != 1 {
			t.Error("not stored when its linger was over")
		}
		r.end()
	})
}

func TestReadyBatchesOfAStreamAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		gate := make(chan struct{})
		s.fault = hold(gate)
		r := start(t, s, nil)
		for i := range 100 {
			r.send("a", fmt.Sprint(i))
			if i == 9 {
				synctest.Wait() // the first batch is with the sink
			}
		}
		close(gate)
		r.end()
		if want := [][]int{{10}, {90}}; !reflect.DeepEqual(s.writes, want) {
			t.Errorf("writes %v, want %v", s.writes, want)
		}
	})
}

func TestGroupCarriesManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		gate := make(chan struct{})
		s.fault = hold(gate)
		r := start(t, s, func(o *engine.Options) { o.GroupSize = 50 })
		for i := range 10 {
			r.send("first", fmt.Sprint(i))
		}
		synctest.Wait()
		for i := range 100 {
			r.send(fmt.Sprint("id", i%10), fmt.Sprint(i))
		}
		synctest.Wait()
		close(gate)
		r.end()
		if want := [][]int{{10}, {10, 10, 10, 10, 10}, {10, 10, 10, 10, 10}}; !reflect.DeepEqual(s.writes, want) {
			t.Errorf("writes %v, want %v", s.writes, want)
		}
	})
}

// Durations may be as good as for ever.
func TestLingerAndIdleTimeoutForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), func(o *engine.Options) {
			o.BatchWait, o.IdleTimeout = math.MaxInt64, math.MaxInt64
		})
		time.Sleep(time.Second)
		r.send("a", "1")
		time.Sleep(time.Hour)
		if n := r.store.count(); n != 0 {
			t.Error("its linger is over")
		}
		r.route(engine.Message{Kind: engine.Flush, ID: "a"})
		time.Sleep(time.Hour)
		if n := r.Stats().Streams; n != 1 {
			t.Errorf("%d streams", n)
		}
		r.end()
	})
}

package engine

import (
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// What a message counts is about what its node takes, so no field may make that more.
func TestNodeIsNoLargerThanWhatItCounts(t *testing.T) {
	if n := unsafe.Sizeof(node{}); n > overhead {
		t.Errorf("a node takes %d bytes", n)
	}
}

// A lease is over by whichever clock is first: the system's goes on while the machine
// sleeps, the monotonic one is never set back.
func TestLeaseIsOverByEitherClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLease(time.Minute)
		l.wall = l.wall.Add(-time.Minute) // the system's clock jumped ahead
		if l.Held() {
			t.Error("held although a minute is over by the system's clock")
		}
		l.Extend(time.Now(), time.Minute)
		if l.Held() {
			t.Error("held again")
		}

		l = NewLease(time.Minute)
		l.wall = l.wall.Add(-time.Hour)
		l.Extend(time.Now(), time.Hour)
		if l.Held() {
			t.Error("extended after it was over")
		}

		l = NewLease(time.Minute)
		l.wall = l.wall.Add(time.Hour) // it was set back
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case <-l.Lost():
		default:
			t.Error("held although a minute is over by the monotonic clock")
		}

		l = NewLease(time.Minute)
		l.wall = l.wall.Add(time.Hour)
		l.Extend(time.Now(), time.Minute+1) // by the clock as it is now
		if !l.wall.Equal(time.Now().Add(time.Minute + 1)) {
			t.Errorf("until %v", l.wall)
		}
		l.Lose()
	})
}

package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

type nowhere struct{}

func (nowhere) Write(context.Context, []Batch) ([]Result, error) { return nil, nil }
func (nowhere) Close() error                                     { return nil }

// A suspect whose time has come between the look at the clock and the rest is not
// waited for until something else wakes the writer: that may never be.
func TestSuspectIsDueWhileTheWriterGoesToRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := DefaultOptions()
		o.DataDir = t.TempDir()
		e, err := New(nowhere{}, o)
		if err != nil {
			t.Fatal(err)
		}
		w := e.writers[0]
		w.suspects.push(&delivery{})
		w.suspectAt = time.Now().Add(time.Microsecond)
		w.gather()
		if len(w.group) > 0 || !w.due.Equal(w.suspectAt) {
			t.Fatalf("it takes %d, and waits until %v", len(w.group), w.due)
		}
		time.Sleep(time.Millisecond) // virtual: the machine was busy
		if !w.rest(w.due, w.wake, nil) {
			t.Error("it is told to stop")
		}
		w.gather()
		if len(w.group) != 1 || !w.due.IsZero() {
			t.Errorf("it takes %d, and waits until %v", len(w.group), w.due)
		}
	})
}

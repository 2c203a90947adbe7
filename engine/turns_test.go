package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/ingestd/ingestd/engine"
)

// A stream has a goroutine while it waits after a failure; those that are ready, or
// with the sink, have none.
func TestOnlyWhatFailsHasAGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		gate, tried := make(chan struct{}), make(chan struct{}, 1)
		s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
			if batches[0].ID == "bad" && len(tried) == 0 {
				tried <- struct{}{}
				return 0, errors.New("not now")
			}
			<-gate
			return 0, nil
		}
		r := start(t, s, func(o *engine.Options) { o.BatchSize = 1 })
		r.send("bad", "1")
		synctest.Wait()
		for i := range 5000 {
			r.send(fmt.Sprint("id", i), "1")
		}
		synctest.Wait()
		if n := delivering(); n != 1 {
			t.Errorf("%d goroutines", n)
		}
		close(gate)
		r.end()
	})
}

// Dead letters that are slow to keep cost a bounded number of goroutines, and hold
// back no stream that has none.
func TestSlowDeadLettersHaveTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
			for i, b := range batches {
				if b.ID != "good" {
					return 0, engine.Reject(i, 0, engine.ErrConflict)
				}
			}
			return 0, nil
		}
		k := &slowKeeper{gate: make(chan struct{})}
		r := start(t, s, func(o *engine.Options) { o.BatchSize, o.DeadLetters = 1, k })
		const bad = 5000
		for i := range bad {
			r.send(fmt.Sprint("id", i), "1")
		}
		r.send("good", "1")
		synctest.Wait()
		if n := delivering(); n != 4096 {
			t.Errorf("%d goroutines", n)
		}
		if len(s.stored("good")) != 1 {
			t.Error("another stream is held back")
		}
		if n := r.Stats().Refused; n != 0 {
			t.Errorf("%d are refused before they are kept", n)
		}
		close(k.gate)
		synctest.Wait()
		if n := r.Stats().Refused; n != bad {
			t.Errorf("%d are refused", n)
		}
		if n := delivering(); n != 0 {
			t.Errorf("%d goroutines are left", n)
		}
		r.end()
	})
}

// slowKeeper keeps dead letters once the gate is open.
type slowKeeper struct{ gate chan struct{} }

func (k *slowKeeper) Keep(context.Context, []engine.DeadLetter) error {
	<-k.gate
	return nil
}

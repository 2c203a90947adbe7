package engine_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// A million streams with one message each: memory and goroutines are bounded, and
// nothing is left. With the race detector, which makes it ten times as slow and as
// large, there are fewer.
func TestMillionStreams(t *testing.T) {
	streams := 1_000_000
	if raceEnabled {
		streams = 100_000
	}
	e, err := engine.New(discard{}, engine.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range streams {
		if err := e.Route(ctx, engine.Message{ID: fmt.Sprint(i), Data: []byte(`{"n":1}`)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&now)
	if grown := int64(now.Sys) - int64(before.Sys); grown > 2<<30 {
		t.Errorf("the process grew by %d MiB", grown>>20)
	}
	o := engine.DefaultOptions()
	o.BatchWait, o.IdleTimeout = time.Nanosecond, time.Nanosecond
	if err := e.Update(o); err != nil { // all get ready at once
		t.Fatal(err)
	}
	goroutines := 0
	eventually(t, "all lanes are forgotten", func() bool {
		goroutines = max(goroutines, runtime.NumGoroutine())
		return e.Stats().Streams == 0
	})
	if goroutines > 5000 {
		t.Errorf("%d goroutines at once", goroutines)
	}
	if st := e.Stats(); st.Stored != uint64(streams) || st.Pending != 0 || st.PendingBytes != 0 {
		t.Errorf("stats: %+v", st)
	}
	for range 3 { // what is in a sync.Pool outlives two
		runtime.GC()
	}
	runtime.ReadMemStats(&now)
	if grown := int64(now.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("%d MiB are kept", grown>>20)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// More streams than have a turn, each of which has more ready whenever it has been
// written: all of them get to the sink nevertheless.
func TestBusyStreamsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const streams = 4200
		s := newStore()
		s.fault = func(context.Context, []engine.Batch) (int, error) {
			time.Sleep(time.Second) // virtual
			return 0, nil
		}
		r := start(t, s, func(o *engine.Options) { o.BatchSize, o.GroupSize = 1, 50_000 })
		for range 20 {
			for i := range streams {
				r.send(fmt.Sprint("id", i), "1")
			}
			time.Sleep(200 * time.Millisecond)
		}
		for i := range streams {
			if id := fmt.Sprint("id", i); len(s.stored(id)) == 0 {
				t.Errorf("%s was never written", id)
				break
			}
		}
		r.end()
	})
}

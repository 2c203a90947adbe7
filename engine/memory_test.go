package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// What a lane takes, besides the data of its message: while it collects, and while
// it waits for the sink. Nothing is left of it once it is forgotten.
func TestMemoryOfALane(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has memory of its own for each")
	}
	const (
		data       = 150
		lanes      = 100_000
		delivering = 10_000
	)
	gate := make(chan struct{})
	o := engine.DefaultOptions()
	o.BatchSize, o.BatchWait = 2, time.Hour
	e, err := engine.New(gated{gate: gate}, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	ids := make([]string, lanes)
	for i := range ids {
		ids[i] = fmt.Sprintf("device-%07d", i)
	}
	m := engine.Message{Op: "report", Data: bytes.Repeat([]byte{'1'}, data)}
	route := func(ids []string) {
		for _, m.ID = range ids {
			if err := e.Route(ctx, m, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	route(ids[:1]) // what is made once is made
	start := memory()
	route(ids[1:])
	collecting := memory()
	per := (collecting-start)/(lanes-1) - data
	t.Logf("collecting: %d B", per)
	if per > 600 {
		t.Errorf("a collecting lane takes %d B beside its message", per)
	}

	route(ids[:delivering])
	if n := runtime.NumGoroutine(); n > 100 {
		t.Errorf("%d goroutines", n)
	}
	per = (memory()-collecting)/delivering - (per + data) // two messages now
	t.Logf("delivering: %d B more", max(0, per))          // it has no goroutine until something fails
	if per > 3584 {
		t.Errorf("a delivering lane takes %d B more", per)
	}

	close(gate)
	o.BatchWait, o.IdleTimeout = time.Nanosecond, time.Nanosecond
	if err := e.Update(o); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all lanes are forgotten", func() bool { return e.Stats().Streams == 0 })
	// The runtime keeps what it has made to run goroutines.
	left := memory() - start
	t.Logf("left: %d B", max(0, left/lanes))
	if left > delivering*1024 {
		t.Errorf("%d B are left of each lane", left/lanes)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// memory is what the heap and the stacks hold, without what is free.
func memory() int64 {
	for range 3 { // what is in a sync.Pool outlives two
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// gated is a sink that stores nothing, and that not before the gate is open.
type gated struct {
	discard
	gate <-chan struct{}
}

func (s gated) Write(context.Context, []engine.Batch) ([]engine.Result, error) {
	<-s.gate
	return nil, nil
}

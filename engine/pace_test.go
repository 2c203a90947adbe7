package engine_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/ingestd/ingestd/engine"
)

// Senders that always have something to send leave the processor to a writer that is
// not with its sink, instead of filling the room first: on one processor, they would
// route hundreds of thousands of messages before it is its turn.
func TestSendersGiveWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	o := engine.DefaultOptions()
	o.MaxPending = 1 * engine.GiB
	e, err := engine.New(discard{}, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	messages := 10_000
	if raceEnabled {
		messages = 1000
	}
	var most [senders]int64
	var wg sync.WaitGroup
	for k := range senders {
		wg.Go(func() {
			m := engine.Message{ID: fmt.Sprint(k), Data: []byte("1")}
			for i := range messages {
				if err := e.Route(ctx, m, nil); err != nil {
					t.Error(err)
					return
				}
				if i%100 == 0 {
					most[k] = max(most[k], e.Stats().Pending)
				}
			}
		})
	}
	wg.Wait()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, n := range most {
		// Two groups are ready, one is with the sink, one is being settled; each
		// stream has an open batch.
		if n > 10*int64(o.GroupSize) {
			t.Errorf("%d messages were pending", n)
			break
		}
	}
}

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ingestd/ingestd/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Two messages of a new id at once made two channels, and what was in the first
// was orphaned; a lane that was forgotten just then lost its messages
// . And a goroutine for each message lost the order.
func TestLanesAreMadeAndForgottenUnderLoad(t *testing.T) {
	r := start(t, newStore(), func(o *engine.Options) {
		o.IdleTimeout = time.Nanosecond
		o.BatchWait = time.Microsecond
		o.Writers = 3
	})
	var senders sync.WaitGroup
	for s := range 16 {
		senders.Go(func() {
			for i := range 2000 {
				r.route(engine.Message{ID: fmt.Sprint(i % 40), Sender: fmt.Sprint(s), Data: fmt.Append(nil, s, i)})
			}
		})
	}
	senders.Wait()
	eventually(t, "all lanes are forgotten", func() bool { return r.Stats().Streams == 0 })
	r.end()
	if n := r.store.count(); n != 32_000 {
		t.Errorf("%d stored", n)
	}
}

// A new id that appeared late froze everything, or waited for
// the consumer's next look (11).
func TestLateStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), nil)
		for i := range 10 {
			r.send("first", fmt.Sprint(i))
		}
		time.Sleep(5 * time.Second)
		began := time.Now()
		for i := range 10 {
			r.send("second", fmt.Sprint(i))
		}
		synctest.Wait()
		if n := r.store.count(); n != 20 || time.Since(began) > 0 {
			t.Errorf("%d stored after %v", n, time.Since(began))
		}
		r.end()
	})
}

// SIGTERM lost what was buffered.
func TestDrainStoresWhatIsBuffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), nil)
		for i := range 1005 {
			r.send(fmt.Sprint("id", i%100), fmt.Sprint(i))
		}
		began := time.Now()
		r.end()
		if n := r.store.count(); n != 1005 || time.Since(began) > 0 {
			t.Errorf("%d stored after %v", n, time.Since(began))
		}
		if err := r.Route(context.Background(), engine.Message{ID: "a"}, nil); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("Route after the drain: %v", err)
		}
		if err := r.Run(context.Background()); err == nil {
			t.Error("Run can be called twice")
		}
	})
}

// What waits for room when a drain begins is refused, and not left hanging.
func TestDrainWakesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		gate := make(chan struct{})
		s.fault = hold(gate)
		r := start(t, s, func(o *engine.Options) { o.MaxPending = 64 * engine.KiB })
		var senders sync.WaitGroup
		for i := range 500 {
			senders.Go(func() {
				if err := r.try(context.Background(), engine.Message{ID: fmt.Sprint("id", i%9), Sender: fmt.Sprint(i)}); err != nil && !errors.Is(err, engine.ErrClosed) {
					t.Errorf("Route: %v", err)
				}
			})
		}
		synctest.Wait()
		r.stop()
		senders.Wait()
		close(gate)
		r.end()
	})
}

func TestRouteWaitsForRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := engine.New(newStore(), engine.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := e.Route(ctx, engine.Message{ID: "a"}, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Route: %v", err)
		}
	})
}

func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), nil)
		for i := range 9 {
			r.send("nine", fmt.Sprint(i))
		}
		r.send("one", "1")
		synctest.Wait()
		o := engine.DefaultOptions()
		o.BatchSize = 5
		if err := r.Update(o); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := r.store.count(); n != 9 {
			t.Errorf("%d stored after a smaller batch_size", n)
		}
		o.BatchWait = time.Second
		if err := r.Update(o); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := r.store.count(); n != 10 {
			t.Errorf("%d stored after a shorter batch_wait", n)
		}
		o.BatchSize, o.Writers, o.DataDir = 0, 9, "elsewhere"
		err := r.Update(o)
		for _, option := range []string{"batch_size", "writers", "data_dir"} {
			if err == nil || !strings.Contains(err.Error(), option+":") {
				t.Errorf("Update says nothing of %s: %v", option, err)
			}
		}
		for i := range 5 {
			r.send("as before", fmt.Sprint(i))
		}
		synctest.Wait()
		if n := r.store.count(); n != 15 {
			t.Errorf("%d stored after a refused update", n)
		}
		r.end()
	})
}

func TestOptionsReportEveryFault(t *testing.T) {
	var o engine.Options
	_, err := engine.New(newStore(), o)
	for _, option := range []string{
		"batch_size", "batch_bytes", "batch_wait", "idle_timeout", "max_streams", "max_pending",
		"retry_min", "shutdown_timeout", "writers", "group_size", "group_bytes",
	} {
		if err == nil || !strings.Contains(err.Error(), option+": must be") {
			t.Errorf("nothing is said of %s: %v", option, err)
		}
	}
	var fault *engine.OptionError
	if !errors.As(err, &fault) {
		t.Errorf("%T holds no OptionError", err)
	}
	if _, err := engine.New(nil, engine.DefaultOptions()); err == nil {
		t.Error("an engine without a sink")
	}
}

func TestTwoEnginesInOneProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dirs := []string{t.TempDir(), t.TempDir()}
		var engines []*running
		for _, dir := range dirs {
			engines = append(engines, start(t, newStore(), func(o *engine.Options) { o.DataDir = dir }))
		}
		for i := range 100 {
			engines[i%2].send("a", fmt.Sprint(i))
		}
		for _, r := range engines {
			r.end()
			if n := len(r.store.stored("a")); n != 50 {
				t.Errorf("%d stored", n)
			}
		}
	})
}

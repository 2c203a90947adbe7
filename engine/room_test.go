package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// At the bound, half-filled batches are flushed before anyone waits for a linger.
func TestPressureFlushesTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), func(o *engine.Options) {
			o.MaxPending = 64 * engine.KiB
			o.BatchWait = time.Hour
		})
		began := time.Now()
		for i := range 10_000 {
			r.send(fmt.Sprint("id", i), "1")
			if i%100 == 0 {
				time.Sleep(1) // so that some are older
			}
		}
		synctest.Wait()
		if d := time.Since(began); d > time.Millisecond {
			t.Errorf("somebody waited for %v", d)
		}
		st := r.Stats()
		if st.PendingBytes > 64<<10 || st.Flushes.Pressure == 0 || st.Flushes.Linger > 0 {
			t.Errorf("stats: %+v", st)
		}
		// The oldest went first: what is stored is a beginning, but for those of
		// the same age.
		for i := range r.store.count() - 100 {
			if len(r.store.stored(fmt.Sprint("id", i))) != 1 {
				t.Errorf("id%d is not among the %d stored", i, r.store.count())
			}
		}
		r.end()
	})
}

// Nobody in line waits for the linger of one who was in line before him, and
// sends nothing more.
func TestLineWaitsForNoLinger(t *testing.T) {
	for name, route := range map[string]func(*running, *sync.WaitGroup){
		"many small ones": func(r *running, all *sync.WaitGroup) {
			for i := range 2000 {
				all.Go(func() { r.send(fmt.Sprint("id", i), "1") })
			}
		},
		"a large one": func(r *running, all *sync.WaitGroup) {
			r.send("first", strings.Repeat("1", 60<<10))
			all.Go(func() { r.send("small", strings.Repeat("1", 6<<10)) })
			synctest.Wait()
			all.Go(func() { r.send("large", strings.Repeat("1", 63<<10)) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.fault = func(context.Context, []engine.Batch) (int, error) {
					time.Sleep(time.Millisecond) // virtual
					return 0, nil
				}
				r := start(t, s, func(o *engine.Options) {
					o.MaxPending = 64 * engine.KiB
					o.BatchWait = time.Hour
				})
				began := time.Now()
				var all sync.WaitGroup
				route(r, &all)
				all.Wait()
				if d := time.Since(began); d > time.Second {
					t.Errorf("somebody waited for %v", d)
				}
				r.end()
			})
		})
	}
}

// A message that waits for room and has got larger than max_pending does not block
// the line.
func TestUpdateBelowWhoWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		gate := make(chan struct{})
		s.fault = hold(gate)
		r := start(t, s, func(o *engine.Options) {
			o.MaxPending = engine.MiB
			o.BatchWait = time.Hour
		})
		r.send("written", strings.Repeat("1", 600<<10))
		r.route(engine.Message{Kind: engine.Flush, ID: "written"})
		r.send("open", strings.Repeat("1", 100<<10))
		var all sync.WaitGroup
		all.Go(func() { r.send("large", strings.Repeat("1", 500<<10)) })
		synctest.Wait()
		all.Go(func() { r.send("small", "1") })
		synctest.Wait()
		o := engine.DefaultOptions()
		o.MaxPending = 64 * engine.KiB
		o.BatchWait = time.Hour
		if err := r.Update(o); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		close(gate)
		all.Wait()
		if d := time.Since(began); d > 0 {
			t.Errorf("somebody waited for %v", d)
		}
		r.end()
	})
}

func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		gate := make(chan struct{})
		s.fault = hold(gate)
		r := start(t, s, func(o *engine.Options) { o.MaxPending = 64 * engine.KiB })
		var senders sync.WaitGroup
		for i := range 20 {
			senders.Go(func() {
				for j := range 100 {
					r.send(fmt.Sprint("id", i), fmt.Sprint(j))
				}
			})
		}
		synctest.Wait()
		st := r.Stats()
		if st.PendingBytes > 64<<10 || st.PendingBytes < 60<<10 {
			t.Errorf("%d bytes are pending", st.PendingBytes)
		}
		time.Sleep(7 * time.Second)
		if h := r.Health(); time.Since(h.FullSince) != 7*time.Second {
			t.Errorf("full since %v", h.FullSince)
		}
		// Control messages never wait, and one may stop waiting.
		r.route(engine.Message{Kind: engine.Flush, ID: "id1", Sender: "another"})
		r.route(engine.Message{Kind: engine.Done, ID: "new"})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if err := r.try(ctx, engine.Message{ID: "id2"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Route: %v", err)
		}
		cancel()
		close(gate)
		senders.Wait()
		if h := r.Health(); !h.FullSince.IsZero() {
			t.Error("still full")
		}
		r.end()
		if n := s.count(); n != 2000 {
			t.Errorf("%d stored", n)
		}
	})
}

func TestOneStreamMayHoldAnEighth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		stuck := make(chan struct{})
		s.fault = func(ctx context.Context, batches []engine.Batch) (int, error) {
			select {
			case <-stuck:
				return 0, nil
			default:
			}
			return 0, each(batches, func(_, _ int, m engine.Message) error {
				if m.ID == "hot" {
					return errDown
				}
				return nil
			})
		}
		r := start(t, s, func(o *engine.Options) { o.MaxPending = 64 * engine.KiB })
		var senders sync.WaitGroup
		for i := range 50 {
			senders.Go(func() {
				for j := range 10 {
					r.route(engine.Message{ID: "hot", Sender: fmt.Sprint(i), Data: []byte(fmt.Sprint(j))})
				}
			})
		}
		synctest.Wait()
		if b := r.Stats().PendingBytes; b > 8<<10 {
			t.Errorf("the hot stream holds %d bytes", b)
		}
		for i := range 1000 {
			r.send(fmt.Sprint("id", i%100), "1")
		}
		time.Sleep(12 * time.Second) // a linger, and then some
		if n := s.count(); n != 1000 {
			t.Errorf("%d of the others are stored", n)
		}
		close(stuck)
		senders.Wait()
		r.end()
	})
}

// A large message finds its place among many small ones of its stream.
func TestLargeMessageOfABusyStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(context.Context, []engine.Batch) (int, error) {
			time.Sleep(time.Millisecond)
			return 0, nil
		}
		r := start(t, s, func(o *engine.Options) { o.MaxPending = 64 * engine.KiB })
		stop := make(chan struct{})
		var small sync.WaitGroup
		for i := range 50 {
			small.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						r.route(engine.Message{ID: "hot", Sender: fmt.Sprint(i)})
					}
				}
			})
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		large := engine.Message{ID: "hot", Sender: "large", Data: []byte(strings.Repeat("1", 3<<10))}
		if err := r.try(ctx, large); err != nil {
			t.Errorf("Route: %v", err)
		}
		close(stop)
		small.Wait()
		r.end()
	})
}

// Who waits for a stream's share hears of a larger one.
func TestUpdateOfAShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		gate := make(chan struct{})
		s.fault = hold(gate)
		r := start(t, s, func(o *engine.Options) { o.MaxPending = 64 * engine.KiB })
		var senders sync.WaitGroup
		for i := range 100 {
			senders.Go(func() { r.route(engine.Message{ID: "hot", Sender: fmt.Sprint(i)}) })
		}
		synctest.Wait()
		if st := r.Stats(); st.Pending > 32 {
			t.Errorf("%d are pending", st.Pending)
		}
		if err := r.Update(engine.DefaultOptions()); err != nil {
			t.Error(err)
		}
		senders.Wait()
		close(gate)
		r.end()
	})
}

func TestRejectWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		gate := make(chan struct{})
		s.fault = hold(gate)
		r := start(t, s, func(o *engine.Options) {
			o.MaxPending = 64 * engine.KiB
			o.RejectWhenFull = true
		})
		refused := 0
		for i := range 1000 {
			switch err := r.try(context.Background(), engine.Message{ID: fmt.Sprint(i % 20)}); {
			case errors.Is(err, engine.ErrOverloaded):
				refused++
			case err != nil:
				t.Fatal(err)
			}
		}
		if want := 1000 - 64<<10/260; refused != want {
			t.Errorf("%d refused, want %d", refused, want)
		}
		time.Sleep(7 * time.Second)
		if h := r.Health(); time.Since(h.FullSince) != 7*time.Second {
			t.Errorf("full since %v", h.FullSince)
		}
		close(gate)
		time.Sleep(11 * time.Second) // what is open has its linger yet
		synctest.Wait()
		if h := r.Health(); !h.FullSince.IsZero() {
			t.Error("still full")
		}
		if err := r.try(context.Background(), engine.Message{ID: "a"}); err != nil {
			t.Error(err)
		}
		r.end()
	})
}

func TestMessageLargerThanTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), func(o *engine.Options) { o.MaxPending = 64 * engine.KiB })
		err := r.try(context.Background(), engine.Message{ID: "a", Data: []byte(strings.Repeat("1", 64<<10))})
		if !engine.IsPermanent(err) || !strings.Contains(err.Error(), "max_pending") {
			t.Errorf("Route: %v", err)
		}
		for range 10 { // each more than the stream's share, and taken one at a time
			r.send("a", strings.Repeat("1", 60<<10))
		}
		r.end()
	})
}

func TestMalformedMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), nil)
		for _, m := range []engine.Message{
			{},
			{ID: strings.Repeat("x", 256)},
			{ID: "\xff"},
			{ID: "a", Seq: -1},
			{ID: "a", Kind: 99},
			{ID: "a", Kind: engine.Resume},
			{ID: "a", Client: strings.Repeat("x", 65)},
			{ID: "a", Client: "\xff"},
		} {
			if err := r.try(context.Background(), m); !engine.IsPermanent(err) {
				t.Errorf("%+v: %v", m, err)
			}
		}
		r.route(engine.Message{ID: strings.Repeat("x", 255)})
		r.route(engine.Message{ID: "data is null", Data: nil})
		r.end()
		if got := r.store.stored("data is null"); len(got) != 1 || got[0] != "null" {
			t.Errorf("stored %q", got)
		}
	})
}

// delivering is how many goroutines lanes have. The runtime has some of its own that
// come and go.
func delivering() int {
	stacks := make([]byte, 16<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("(*Engine).mend("))
}

// The channels were never removed.
func TestIdleStreamsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), nil)
		for i := range 1000 {
			r.send(fmt.Sprint("id", i), "1")
		}
		synctest.Wait()
		if n := delivering(); n > 0 {
			t.Errorf("collecting streams have %d goroutines", n)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if n, goroutines := r.Stats().Streams, delivering(); n != 1000 || goroutines > 0 {
			t.Errorf("%d streams with %d goroutines after the linger", n, goroutines)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := r.Stats().Streams; n != 0 {
			t.Errorf("%d streams after idle_timeout", n)
		}
		r.end()
	})
}

// The lanes that control messages made are not kept beyond max_streams.
func TestControlMessagesLeaveNoStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), func(o *engine.Options) { o.MaxStreams = 100 })
		for i := range 10_000 {
			r.route(engine.Message{Kind: engine.Flush, ID: fmt.Sprint("id", i)})
		}
		synctest.Wait()
		if n := r.Stats().Streams; n > 100 {
			t.Errorf("%d streams", n)
		}
		r.end()
	})
}

func TestTooManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), func(o *engine.Options) { o.MaxStreams = 100 })
		for i := range 100 {
			r.send(fmt.Sprint("id", i), "1")
		}
		err := r.try(context.Background(), engine.Message{ID: "one more"})
		if !errors.Is(err, engine.ErrTooManyStreams) {
			t.Errorf("Route: %v", err)
		}
		r.route(engine.Message{Kind: engine.Done, ID: "control is not bounded"})
		r.send("id1", "live ones go on")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for i := range 500 { // idle ones make room
			r.send(fmt.Sprint("new", i), "1")
			r.route(engine.Message{Kind: engine.Flush, ID: fmt.Sprint("new", i)})
			synctest.Wait()
			if n := r.Stats().Streams; n > 101 {
				t.Fatalf("%d streams", n)
			}
		}
		r.end()
	})
}

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
)

func TestHistogram(t *testing.T) {
	h := engine.Histogram{Bounds: []float64{1, 2, 4}, Counts: []uint64{2, 0, 2, 1}, Sum: 20}
	if h.Count() != 5 {
		t.Error(h.Count())
	}
	for q, want := range map[float64]float64{-1: 0, 0: 0, 0.2: 0.5, 0.4: 1, 0.6: 3, 0.8: 4, 1: 4, 2: 4} {
		if got := h.Quantile(q); math.Abs(got-want) > 1e-9 {
			t.Errorf("quantile %v is %v, not %v", q, got, want)
		}
	}
	earlier := engine.Histogram{Bounds: h.Bounds, Counts: []uint64{1, 0, 2, 0}, Sum: 8}
	d := h.Sub(earlier)
	if !slices.Equal(d.Counts, []uint64{1, 0, 0, 1}) || d.Sum != 12 || d.Count() != 2 {
		t.Error(d)
	}
	if d := h.Sub(engine.Histogram{}); !slices.Equal(d.Counts, h.Counts) || d.Sum != h.Sum {
		t.Error(d)
	}
	d.Counts[0] = 9
	if h.Counts[0] != 2 {
		t.Error("a difference shares its counts with what it was made of")
	}
	for _, none := range []engine.Histogram{{}, h.Sub(h)} {
		if q := none.Quantile(0.5); !math.IsNaN(q) {
			t.Errorf("without values the median is %v", q)
		}
	}
}

// What is measured is what happened: how old messages were when they were stored,
// how long writes took, how many messages batches and groups had, and why writes
// came again.
func TestFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		faults := make(chan error, 10)
		s.fault = func(context.Context, []engine.Batch) (int, error) {
			time.Sleep(300 * time.Millisecond) // virtual
			select {
			case err := <-faults:
				return 0, err
			default:
				return 0, nil
			}
		}
		r := start(t, s, func(o *engine.Options) {
			o.BatchSize, o.BatchWait, o.RetryMin, o.RetryMax = 4, 2*time.Second, time.Millisecond, time.Millisecond
		})
		for range 4 { // full at once, stored after 0.3 s
			r.send("a", "1")
		}
		r.send("b", "1") // stored after 2.3 s
		synctest.Wait()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		st := r.Stats()
		in := func(name string, h engine.Histogram, value float64, count uint64) {
			t.Helper()
			i, _ := slices.BinarySearch(h.Bounds, value)
			if len(h.Counts) != len(h.Bounds)+1 || h.Counts[i] != count {
				t.Errorf("%s: %d and not %d are like %v: %v", name, h.Counts[i], count, value, h)
			}
		}
		near := func(name string, h engine.Histogram, count uint64, sum float64) {
			t.Helper()
			if h.Count() != count || math.Abs(h.Sum-sum) > 0.01 {
				t.Errorf("%s: %d values with the sum %v, not %d with %v", name, h.Count(), h.Sum, count, sum)
			}
		}
		in("stored after", st.StoredAfter, 0.3, 4)
		in("stored after", st.StoredAfter, 2.3, 1)
		near("stored after", st.StoredAfter, 5, 4*0.3+2.3)
		in("writes", st.Writes, 0.3, 2)
		near("writes", st.Writes, 2, 0.6)
		in("batches", st.BatchMessages, 4, 1)
		in("batches", st.BatchMessages, 1, 1)
		near("batches", st.BatchMessages, 2, 5)
		near("groups", st.GroupMessages, 2, 5)
		if st.Groups != 2 || st.Retries != (engine.Retries{}) || st.Made != 2 || st.Retired != 0 {
			t.Errorf("%+v", st)
		}

		for _, err := range []error{
			engine.Permanent(errors.New("bad")), nil, nil, // two messages, halved
			engine.Reject(0, 0, errors.New("bad")), nil, // one of two
			errors.New("busy"), engine.Blocked(errors.New("no table")), nil,
		} {
			faults <- err
		}
		for _, id := range []string{"c", "d", "e"} {
			r.send(id, "1")
			r.send(id, "2")
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if got, want := r.Stats().Retries, (engine.Retries{Transient: 1, Blocked: 1, Split: 2}); got != want {
			t.Errorf("%+v, not %+v", got, want)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if st := r.Stats(); st.Made != 5 || st.Retired != 5 {
			t.Errorf("%d lanes were made and %d forgotten", st.Made, st.Retired)
		}
		r.end()
	})
}

// A dead letter that is replayed was received long ago, which says nothing of how
// fast messages are stored.
func TestReplayedAreNoLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), nil)
		r.route(engine.Message{ID: "a", Data: []byte("1"), Replayed: true, Received: time.Now().Add(-time.Hour)})
		r.end()
		if st := r.Stats(); st.Stored != 1 || st.StoredAfter.Count() != 0 {
			t.Errorf("%d stored: %v", st.Stored, st.StoredAfter)
		}
	})
}

// Health tells since when the sink fails, and when it is blocked.
func TestSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var fault fault
		fault.set(errors.New("busy"))
		s.fault = func(context.Context, []engine.Batch) (int, error) { return 0, fault.get() }
		r := start(t, s, nil)
		r.route(engine.Message{ID: "a", Data: []byte("1")})
		r.route(engine.Message{Kind: engine.Flush, ID: "a"})
		synctest.Wait()
		failed := time.Now()
		time.Sleep(time.Minute)
		synctest.Wait()
		if h := r.Health(); h.Failing == nil || !h.FailingSince.Equal(failed) || h.Blocked != nil || !h.BlockedSince.IsZero() {
			t.Errorf("failing: %+v", h)
		}
		fault.set(engine.Blocked(errors.New("no table")))
		time.Sleep(time.Minute)
		synctest.Wait()
		h := r.Health()
		if h.Blocked == nil || h.BlockedSince.Before(failed.Add(time.Minute)) || h.Failing != nil || !h.FailingSince.IsZero() {
			t.Errorf("blocked: %+v", h)
		}
		since := h.BlockedSince
		time.Sleep(time.Minute)
		synctest.Wait()
		if h := r.Health(); !h.BlockedSince.Equal(since) {
			t.Errorf("blocked since %v, and since %v", since, h.BlockedSince)
		}
		fault.set(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if h := r.Health(); h.Blocked != nil || h.Failing != nil || !h.BlockedSince.IsZero() || !h.FailingSince.IsZero() {
			t.Errorf("well: %+v", h)
		}
		r.end()
	})
}

// A stream can be looked at while it is live, in each of its states.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		began := time.Now()
		var fault fault
		s.fault = func(context.Context, []engine.Batch) (int, error) {
			time.Sleep(time.Second)
			return 0, fault.get()
		}
		r := start(t, s, func(o *engine.Options) {
			o.BatchWait, o.IdleTimeout, o.Writers = 10*time.Second, time.Minute, 1
		})
		look := func(id, state string, accepted uint64, pending int) engine.Stream {
			t.Helper()
			synctest.Wait()
			st, ok := r.Stream(id)
			if !ok || st.ID != id || st.State != state || st.Accepted != accepted || st.Pending != pending ||
				st.PendingBytes != int64(pending)*257 || (st.Err != nil) != (state == engine.StateRetrying) {
				t.Errorf("not %s with %d of %d pending: %+v, %v", state, pending, accepted, st, ok)
			}
			return st
		}
		if _, ok := r.Stream("a"); ok {
			t.Error("there is a stream before its first message")
		}
		r.send("a", "1")
		r.send("a", "2")
		if st := look("a", engine.StateCollecting, 2, 2); !st.Since.Equal(began) {
			t.Errorf("since %v, not %v", st.Since, began)
		}
		r.route(engine.Message{Kind: engine.Flush, ID: "a"})
		look("a", engine.StateWriting, 2, 2)
		r.send("b", "1")
		r.route(engine.Message{Kind: engine.Flush, ID: "b"})
		look("b", engine.StateReady, 1, 1)
		time.Sleep(5 * time.Second)
		look("b", engine.StateIdle, 1, 0)
		if st := look("a", engine.StateIdle, 2, 0); !st.Since.Equal(began.Add(time.Second)) {
			t.Errorf("idle since %v, not %v", st.Since, began.Add(time.Second))
		}
		busy := errors.New("busy")
		fault.set(busy)
		r.send("a", "3")
		r.route(engine.Message{Kind: engine.Flush, ID: "a"})
		time.Sleep(3 * time.Second)
		if st := look("a", engine.StateRetrying, 3, 1); !errors.Is(st.Err, busy) {
			t.Errorf("%v is no %v", st.Err, busy)
		}
		fault.set(nil)
		time.Sleep(40 * time.Second)
		look("a", engine.StateIdle, 3, 0)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if st, ok := r.Stream("a"); ok {
			t.Errorf("a stream that was forgotten is live: %+v", st)
		}
		r.end()
	})
}

// Where dead letters cannot be kept, their stream says so.
func TestStreamWaitsForLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
			return 0, engine.Permanent(errors.New("bad"))
		}
		var full fault
		full.set(errors.New("disk full"))
		r := start(t, s, func(o *engine.Options) {
			o.DeadLetters = keeperFunc(func(context.Context, []engine.DeadLetter) error {
				return full.get()
			})
		})
		r.send("a", "1")
		r.route(engine.Message{Kind: engine.Flush, ID: "a"})
		time.Sleep(time.Minute)
		synctest.Wait()
		if st, _ := r.Stream("a"); st.State != engine.StateRetrying || st.Err == nil || st.Err.Error() != "disk full" {
			t.Errorf("%+v", st)
		}
		full.set(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if st, ok := r.Stream("a"); ok && (st.State != engine.StateIdle || st.Err != nil) {
			t.Errorf("%+v", st)
		}
		r.end()
	})
}

// fault is an error that changes while a sink returns it.
type fault struct {
	mu  sync.Mutex
	err error
}

func (f *fault) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fault) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

type keeperFunc func(context.Context, []engine.DeadLetter) error

func (f keeperFunc) Keep(ctx context.Context, letters []engine.DeadLetter) error {
	return f(ctx, letters)
}

// The busiest streams are those with the most messages since they were asked for
// last, however many there are.
func TestBusiest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const streams = 20_000
		r := start(t, newStore(), nil)
		for i := range streams {
			r.send(fmt.Sprint("quiet-", i), "1")
		}
		for i := range 30 {
			for range 2 + i {
				r.send(fmt.Sprint("busy-", i), "1")
			}
		}
		if got := r.Busiest(0); got != nil {
			t.Errorf("none are %v", got)
		}
		busiest := r.Busiest(20)
		if len(busiest) != 20 {
			t.Fatalf("%d, not 20", len(busiest))
		}
		for k, st := range busiest {
			if want := 31 - k; st.ID != fmt.Sprint("busy-", want-2) || st.Recent != uint64(want) || st.Accepted != uint64(want) {
				t.Errorf("in place %d is %+v", k, st)
			}
		}
		idle := r.Busiest(20)
		if len(idle) != 20 {
			t.Fatalf("without a message since, there are %d", len(idle))
		}
		for k, st := range idle {
			if st.Recent != 0 || k > 0 && st.Pending > idle[k-1].Pending || k == 0 && st.ID != "busy-27" {
				t.Errorf("without a message since, in place %d is %+v", k, st)
			}
		}
		r.send("quiet-7", "2")
		r.send("quiet-7", "3")
		r.send("busy-9", "2")
		if st, _ := r.Stream("quiet-7"); st.Recent != 2 || st.Accepted != 3 {
			t.Errorf("%+v", st)
		}
		again := r.Busiest(20)
		if len(again) != 20 || again[0].ID != "quiet-7" || again[0].Recent != 2 || again[1].ID != "busy-9" || again[2].ID != "busy-27" {
			t.Errorf("%+v", again)
		}
		r.end()
	})
}

// Without messages of late, those come first that wait, then those that cannot be
// stored, then those with the most messages, then those of late.
func TestBusiestOfQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		broken := true
		s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
			for _, b := range batches {
				if b.ID == "stuck" && broken {
					return 0, errors.New("this one not")
				}
			}
			return math.MaxInt, nil
		}
		r := start(t, s, func(o *engine.Options) { o.BatchSize, o.BatchBytes, o.BatchWait = 3, 100, time.Hour })
		send := func(id string, data ...string) {
			for _, d := range data {
				r.send(id, d)
			}
			<-time.After(time.Second)
			synctest.Wait()
		}
		send("idle, of 6", "1", "2", "3", "4", "5", "6")
		send("idle, of 3, early", "1", "2", "3")
		send("idle, of 3, late", "1", "2", "3")
		send("collecting", "1", "2", "3", "4", "5")
		send("stuck", "1", strings.Repeat("x", 100))
		send("waits", "1", "2")
		r.Busiest(100)
		var got []string
		for _, st := range r.Busiest(100) {
			got = append(got, st.ID)
		}
		if want := []string{"stuck", "collecting", "waits", "idle, of 6", "idle, of 3, late", "idle, of 3, early"}; !slices.Equal(got, want) {
			t.Errorf("%q, not %q", got, want)
		}
		if few := r.Busiest(2); len(few) != 2 || few[0].ID != "stuck" || few[0].State != engine.StateRetrying || few[1].ID != "collecting" {
			t.Errorf("the first two are %+v", few)
		}
		broken = false
		r.end()
	})
}

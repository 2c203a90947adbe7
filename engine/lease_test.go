package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

func isLost(l *engine.Lease) bool {
	select {
	case <-l.Lost():
		return true
	default:
		return false
	}
}

func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := engine.NewLease(4 * time.Second)
		held := func(want bool) {
			t.Helper()
			synctest.Wait()
			if isLost(l) == want { // before Held looks
				t.Errorf("lost: %v", !want)
			}
			if l.Held() != want {
				t.Errorf("held: %v", !want)
			}
		}
		held(true)
		time.Sleep(3 * time.Second)
		sent := time.Now()
		time.Sleep(time.Second - 1)
		held(true)
		l.Extend(sent, 4*time.Second) // until 7 s after the start
		l.Extend(sent, time.Second)   // is no shorter for it
		l.Extend(sent.Add(-time.Hour), time.Minute)
		time.Sleep(3 * time.Second)
		held(true)
		time.Sleep(1)
		held(false)
		l.Extend(time.Now(), time.Hour)
		held(false)
		l.Lose()
		held(false)

		l = engine.NewLease(time.Hour)
		l.Lose()
		held(false)
		l.Extend(time.Now(), 2*time.Hour)
		held(false)
		time.Sleep(3 * time.Hour)
		held(false)
	})
	var none *engine.Lease
	if !none.Held() || none.Lost() != nil {
		t.Error("none is held for ever")
	}
	if engine.NewLease(0).Held() || engine.NewLease(-time.Second).Held() {
		t.Error("held for no time")
	}
}

// What is asked by many at once, extended and lost.
func TestLeaseAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := engine.NewLease(time.Second)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				was := true
				for range 1000 {
					is := l.Held()
					if is && !was {
						t.Error("held again")
					}
					was = is
					l.Extend(time.Now(), time.Second)
					time.Sleep(time.Millisecond)
				}
			})
		}
		time.Sleep(500 * time.Millisecond)
		if !l.Held() {
			t.Error("lost")
		}
		l.Lose()
		all.Wait()
		if l.Held() {
			t.Error("held")
		}
	})
}

// What one stream has of an old lease that was lost is fenced, what it has of a new
// one is stored.
func TestFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		r := start(t, s, nil)
		older, newer := engine.NewLease(time.Hour), engine.NewLease(time.Hour)
		for i, l := range []*engine.Lease{nil, older, older, newer, nil, older, newer} {
			r.route(engine.Message{ID: "a", Data: []byte{'0' + byte(i)}, Lease: l})
		}
		older.Lose()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.stored("a"); len(got) != 4 || got[0] != "0" || got[1] != "3" || got[2] != "4" || got[3] != "6" {
			t.Errorf("stored: %q", got)
		}
		if st := r.Stats(); st.Fenced != 3 || st.Stored != 4 {
			t.Errorf("stats: %+v", st)
		}
		r.end()
	})
}

// A Write under way is ended when a lease is lost, and what has none goes on at once.
func TestLeaseEndsAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		lease := engine.NewLease(20 * time.Second)
		s.fault = func(ctx context.Context, batches []engine.Batch) (int, error) {
			for _, b := range batches {
				switch b.ID {
				case "first": // the others come together meanwhile
					time.Sleep(time.Second)
				case "hangs":
					<-ctx.Done()
					return 0, ctx.Err()
				}
			}
			return 0, nil
		}
		r := start(t, s, func(o *engine.Options) { o.Writers, o.BatchSize = 1, 1 })
		r.send("first", "0")
		synctest.Wait()
		r.route(engine.Message{ID: "hangs", Lease: lease})
		r.send("plain", "1")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s.count() != 1 {
			t.Errorf("%d are stored", s.count())
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s.count() != 2 || r.Stats().Retries.Transient != 0 {
			t.Errorf("%d are stored: %+v", s.count(), r.Stats())
		}
		r.end()
	})
}

// The lease is asked before each try: what was held when its group failed, or was
// refused in part, is not written again once it is lost. The others are, in order.
func TestLeaseLostBetweenTries(t *testing.T) {
	for _, first := range []error{errDown, engine.Permanent(errDown), engine.Reject(0, 5, errDown), engine.Blocked(errDown)} {
		t.Run(fmt.Sprintf("%T", first), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { leaseLostBetweenTries(t, first) })
		})
	}
}

func leaseLostBetweenTries(t *testing.T, first error) {
	s := newStore()
	lease := engine.NewLease(time.Hour)
	k := &keeper{}
	s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
		if lease.Held() {
			lease.Lose()
			return 2, first // two are stored nevertheless
		}
		return 0, each(batches, func(i, j int, m engine.Message) error {
			if string(m.Data) == "5" {
				return engine.Reject(i, j, errors.New("too long"))
			}
			return nil
		})
	}
	r := start(t, s, func(o *engine.Options) { o.BatchSize, o.DeadLetters = 10, k })
	for i := range 10 {
		m := engine.Message{ID: "a", Data: fmt.Append(nil, i)}
		if i < 2 || i == 4 || i >= 8 {
			m.Lease = lease
		}
		r.route(m)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	if got := s.stored("a"); !slices.Equal(got, []string{"0", "1", "2", "3", "6", "7"}) {
		t.Errorf("stored: %q", got)
	}
	var heard []string
	for _, o := range r.heard() {
		switch {
		case errors.Is(o.err, engine.ErrFenced):
			heard = append(heard, string(o.Data)+" fenced")
		case o.err != nil:
			heard = append(heard, string(o.Data)+" refused")
		}
	}
	if !slices.Equal(heard, []string{"0 fenced", "1 fenced", "4 fenced", "5 refused", "8 fenced", "9 fenced"}) {
		t.Errorf("heard: %q", heard)
	}
	if got := k.data(); !slices.Equal(got, []string{"5"}) {
		t.Errorf("dead letters: %q", got)
	}
	if n := r.Stats().Retries; n.Transient+n.Blocked > 0 {
		t.Errorf("what was ended by the lease counts as a failure: %+v", n)
	}
	r.end()
}

// What stands before it is stored first, however long that takes.
func TestFencedKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		heal := time.Now().Add(time.Hour)
		s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
			return 0, each(batches, func(_, _ int, m engine.Message) error {
				if string(m.Data) == "1" && time.Now().Before(heal) {
					return errDown
				}
				return nil
			})
		}
		r := start(t, s, nil)
		lease := engine.NewLease(time.Hour / 2)
		r.route(engine.Message{ID: "a", Data: []byte("0"), Lease: lease})
		r.send("a", "1")
		r.route(engine.Message{ID: "a", Data: []byte("2"), Lease: lease})
		r.route(engine.Message{ID: "b", Data: []byte("3"), Lease: lease})
		time.Sleep(50 * time.Minute)
		synctest.Wait()
		if got := r.heard(); len(got) != 2 { // 0, and that of the other stream
			t.Errorf("heard: %+v", got)
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if got := r.heard(); len(got) != 4 || string(got[2].Data) != "1" || got[2].err != nil ||
			!errors.Is(got[3].err, engine.ErrFenced) {
			t.Errorf("heard: %+v", got)
		}
		r.end()
	})
}

// Those that wait for a sink that is down are settled once their lease is lost, at
// once and without a Write for each; what they held of the room is free.
func TestFencedInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		down := true
		writes := 0
		s.fault = func(context.Context, []engine.Batch) (int, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			writes++
			if down {
				return 0, errDown
			}
			return 0, nil
		}
		const streams = 3000
		r := start(t, s, func(o *engine.Options) {
			o.BatchSize, o.RetryMax, o.MaxPending = 2, 30*time.Second, streams*1024
		})
		lease := engine.NewLease(time.Hour)
		for i := range streams {
			for range 2 {
				r.route(engine.Message{ID: fmt.Sprint("id", i), Data: []byte("1"), Lease: lease})
			}
			r.route(engine.Message{ID: fmt.Sprint("id", i), Kind: engine.Done, Lease: lease})
		}
		r.send("plain", "1")
		r.route(engine.Message{ID: "plain", Kind: engine.Flush})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		s.mu.Lock()
		before := writes
		s.mu.Unlock()
		lease.Lose()
		time.Sleep(40 * time.Second)
		synctest.Wait()
		s.mu.Lock()
		if n := writes - before; n > 4*45 {
			t.Errorf("%d writes", n)
		}
		down = false
		s.mu.Unlock()
		if st := r.Stats(); st.Fenced != 2*streams || st.Pending != 1 || st.PendingBytes > 300 {
			t.Errorf("stats: %+v", st)
		}
		if r.Health().Failing == nil {
			t.Error("the sink is not known to be down")
		}
		r.end()
		if s.count() != 1 || s.endOf("id0") != "" {
			t.Errorf("stored: %d", s.count())
		}
	})
}

// Control messages have leases, too.
func TestFencedControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		r := start(t, s, nil)
		lease := engine.NewLease(time.Hour)
		lease.Lose()
		for _, k := range []engine.Kind{engine.Done, engine.Disconnect, engine.Flush, engine.Resume} {
			r.route(engine.Message{ID: "alone" + k.String(), Kind: k, Client: "c", Lease: lease})
			r.route(engine.Message{ID: "a", Kind: engine.Report, Lease: lease})
			r.route(engine.Message{ID: "a", Kind: k, Client: "c", Lease: lease})
			r.send("a", "1")
		}
		r.route(engine.Message{ID: "a", Kind: engine.Flush})
		synctest.Wait()
		fenced := 0
		for _, o := range r.heard() {
			if errors.Is(o.err, engine.ErrFenced) != (o.Lease != nil) {
				t.Errorf("%v of %q: %v", o.Kind, o.ID, o.err)
			}
			if o.err != nil {
				fenced++
			}
		}
		if fenced != 12 || s.endOf("alonedone")+s.endOf("alonedisconnect") != "" || len(s.stored("a")) != 4 {
			t.Errorf("%d are fenced, %q stored", fenced, s.stored("a"))
		}
		r.end()
	})
}

// A drain leaves what has a lease to whoever has it next: it is in no file, and no
// error of Run.
func TestDrainOfLeases(t *testing.T) {
	for _, plain := range []int{0, 3} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore()
			s.fault = func(context.Context, []engine.Batch) (int, error) { return 0, errDown }
			dir := t.TempDir()
			var log bytes.Buffer
			r := start(t, s, func(o *engine.Options) {
				o.DataDir = dir
				o.Logger = hclog.New(&hclog.LoggerOptions{Output: &log})
			})
			held, lost := engine.NewLease(time.Hour), engine.NewLease(time.Hour)
			var want []engine.Message
			for i := range plain {
				m := engine.Message{ID: "a", Data: fmt.Append(nil, i), Client: "c", Seq: int64(i + 1)}
				want = append(want, m)
				r.route(m)
			}
			for i := range 5 {
				for _, l := range []*engine.Lease{held, lost} {
					r.route(engine.Message{ID: fmt.Sprint("a", i), Lease: l})
					r.route(engine.Message{ID: "a", Lease: l})
				}
			}
			r.route(engine.Message{ID: "a", Kind: engine.Done, Lease: held})
			time.Sleep(time.Minute)
			err := r.drain()
			files, _ := filepath.Glob(filepath.Join(dir, "undelivered-*"))
			if plain == 0 {
				if err != nil || len(files) > 0 {
					t.Errorf("%v, %q", err, files)
				}
			} else {
				if !errors.Is(err, engine.ErrUndelivered) || !strings.Contains(err.Error(), "3 messages: ") || len(files) != 1 {
					t.Fatalf("%v, %q", err, files)
				}
				checkUndelivered(t, files[0], want)
			}
			for _, o := range r.heard() {
				if !errors.Is(o.err, engine.ErrUndelivered) {
					t.Errorf("%v of %q: %v", o.Kind, o.ID, o.err)
				}
			}
			if !strings.Contains(log.String(), "messages with a lease are not stored: whoever has it next stores them: count=21") {
				t.Errorf("the log: %s", log.String())
			}
		})
	}
}

// A sink that does not come back although the lease is lost is waited for, and in the
// end left behind, as without leases.
func TestLeaseAndASinkThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		gate := make(chan struct{})
		s.fault = func(ctx context.Context, _ []engine.Batch) (int, error) {
			<-gate
			return 0, ctx.Err()
		}
		r := start(t, s, nil)
		r.route(engine.Message{ID: "a", Lease: engine.NewLease(time.Minute)})
		time.Sleep(time.Hour)
		synctest.Wait()
		if st := r.Stats(); st.Pending != 1 {
			t.Errorf("stats: %+v", st)
		}
		if err := r.drain(); err == nil || errors.Is(err, engine.ErrUndelivered) {
			t.Errorf("Run: %v", err)
		}
		close(gate)
	})
}

// The log, which was told that a stream cannot be stored, is told that it is not tried
// any more.
func TestFencedIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
			return 0, each(batches, func(_, _ int, m engine.Message) error {
				if string(m.Data) == "stuck" {
					return errDown
				}
				return nil
			})
		}
		var log bytes.Buffer
		r := start(t, s, func(o *engine.Options) {
			o.Logger = hclog.New(&hclog.LoggerOptions{Output: &log})
		})
		lease := engine.NewLease(time.Hour)
		for _, data := range []string{"fine", "stuck"} {
			r.route(engine.Message{ID: "bad", Data: []byte(data), Lease: lease})
		}
		time.Sleep(2 * time.Hour)
		r.end()
		text := log.String()
		if !strings.Contains(text, "stream cannot be stored") || strings.Contains(text, "stored again") ||
			!strings.Contains(text, `stream is not tried any more: its lease was lost: id="bad"`) {
			t.Errorf("the log: %s", text)
		}
	})
}

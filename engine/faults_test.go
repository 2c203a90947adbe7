package engine_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// hold makes every Write wait until the gate is closed.
func hold(gate <-chan struct{}) func(context.Context, []engine.Batch) (int, error) {
	return func(ctx context.Context, _ []engine.Batch) (int, error) {
		select {
		case <-gate:
			return 0, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

var errDown = errors.New("the database is down")

// each applies f to every message of a Write until it gives an error.
func each(batches []engine.Batch, f func(i, j int, m engine.Message) error) error {
	for i, b := range batches {
		for j, m := range b.Messages {
			if err := f(i, j, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// A database error lost the batch.
func TestOutageLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		down := true
		calls := 0
		s.fault = func(context.Context, []engine.Batch) (int, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			calls++
			if down {
				return calls % 7, errDown // some is stored nevertheless
			}
			return 0, nil
		}
		r := start(t, s, func(o *engine.Options) { o.Writers = 2 })
		for i := range 5000 {
			r.send(fmt.Sprint("id", i%50), fmt.Sprint(i))
		}
		time.Sleep(10 * time.Minute)
		s.mu.Lock()
		if calls > 2*(10*60+200) {
			t.Errorf("%d attempts in 10 minutes", calls)
		}
		down = false
		s.mu.Unlock()
		if h := r.Health(); !errors.Is(h.Failing, errDown) {
			t.Errorf("health: %+v", h)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := s.count(); n != 5000 {
			t.Errorf("%d stored", n)
		}
		if h := r.Health(); h != (engine.Health{}) {
			t.Errorf("health: %+v", h)
		}
		if st := r.Stats(); st.Duplicates == 0 || st.Refused > 0 {
			t.Errorf("stats: %+v", st)
		}
		r.end()
	})
}

// A stream that cannot be stored holds back nobody else.
func TestBadStreamHoldsBackNobody(t *testing.T) {
	for _, bad := range []int{1, 3, 40} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				heal := make(chan struct{})
				s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
					select {
					case <-heal:
						return 0, nil
					default:
					}
					return 0, each(batches, func(_, _ int, m engine.Message) error {
						if strings.HasPrefix(m.ID, "bad") {
							return errDown
						}
						return nil
					})
				}
				r := start(t, s, nil)
				for i := range 20 {
					for j := range bad {
						r.send(fmt.Sprint("bad", j), fmt.Sprint(i))
					}
					r.send("good", fmt.Sprint(i))
				}
				time.Sleep(7 * time.Second)
				synctest.Wait()
				if n := len(s.stored("good")); n != 20 {
					t.Errorf("%d of the good stream are stored", n)
				}
				// New ones come at any time.
				time.Sleep(5 * time.Minute)
				for i := range 10 {
					r.send("late", fmt.Sprint(i))
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if n := len(s.stored("late")); n != 10 {
					t.Errorf("%d of the late stream are stored", n)
				}
				close(heal)
				r.end()
			})
		})
	}
}

// However many they are.
func TestManyBadStreamsHoldBackNobody(t *testing.T) {
	for _, share := range []int{100, 5, 2} {
		t.Run(fmt.Sprintf("one in %d", share), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				heal := make(chan struct{})
				s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
					select {
					case <-heal:
						return 0, nil
					case <-time.After(time.Millisecond):
					}
					return 0, each(batches, func(_, _ int, m engine.Message) error {
						if strings.HasPrefix(string(m.Data), "bad") {
							return errDown
						}
						return nil
					})
				}
				r := start(t, s, func(o *engine.Options) { o.Writers = 2 })
				const streams = 2000
				good := 0
				for i := range streams {
					data := "good"
					if i%share == 0 {
						data = "bad"
					} else {
						good += 10
					}
					for range 10 {
						r.send(fmt.Sprint("id", i), data)
					}
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := s.count(); n != good {
					t.Errorf("%d of %d good ones are stored", n, good)
				}
				for i := range 10 {
					r.send("late", fmt.Sprint(i))
				}
				// Only bad ones have been tried of late, so the sink may be taken for
				// broken: a second until the next try, and the Writes.
				time.Sleep(time.Second + 10*time.Millisecond)
				synctest.Wait()
				if n := len(s.stored("late")); n != 10 {
					t.Errorf("%d of the late stream are stored", n)
				}
				close(heal)
				r.end()
			})
		})
	}
}

// A message that the sink refuses for good costs its stream and its neighbours
// nothing but the time to find it.
func TestRefusedMessages(t *testing.T) {
	for name, named := range map[string]bool{"named by the sink": true, "found by splitting": false} {
		for _, share := range []int{2, 10, 100} {
			t.Run(fmt.Sprintf("%s, one in %d", name, share), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStore()
					s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
						return 0, each(batches, func(i, j int, m engine.Message) error {
							if !strings.HasPrefix(string(m.Data), "bad") {
								return nil
							}
							if named {
								return engine.Reject(i, j, errors.New("too long"))
							}
							return engine.Permanent(errors.New("too long"))
						})
					}
					r := start(t, s, nil)
					for i := range 2000 {
						data := "good"
						if i%share == 1 {
							data = "bad"
						}
						r.send(fmt.Sprint("id", i%7), data+fmt.Sprint(i))
					}
					r.end()
					if st := r.Stats(); st.Refused != uint64(2000/share) || st.Stored != uint64(2000-2000/share) {
						t.Errorf("stats: %+v", st)
					}
					for _, o := range r.heard() {
						if bad := strings.HasPrefix(string(o.Data), "bad"); bad != engine.IsPermanent(o.err) {
							t.Errorf("%s: %v", o.Data, o.err)
						}
					}
				})
			})
		}
	}
}

func TestRefusedEndAndFlushBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
			for i, b := range batches {
				if b.Final != nil && string(b.Final.Data) == "bad" {
					return 0, engine.Reject(i, len(b.Messages), errors.New("end_data too long"))
				}
			}
			return 0, nil
		}
		r := start(t, s, nil)
		r.send("a", "1")
		r.route(engine.Message{Kind: engine.Flush, ID: "a"})
		r.send("a", "2")
		r.route(engine.Message{Kind: engine.Done, ID: "a", Data: []byte("bad")})
		r.send("a", "3")
		r.route(engine.Message{Kind: engine.Done, ID: "a", Data: []byte("good")})
		r.end()
		for _, o := range r.heard() {
			if bad := o.Kind == engine.Done && string(o.Data) == "bad"; bad != (o.err != nil) {
				t.Errorf("%v %s: %v", o.Kind, o.Data, o.err)
			}
		}
		if s.endOf("a") != engine.EndOp || len(s.stored("a")) != 3 {
			t.Errorf("ended %q, stored %v", s.endOf("a"), s.stored("a"))
		}
	})
}

// A named client that numbers other messages like stored ones is told, and blocks
// nobody, however many there are.
func TestConflictsDoNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		r := start(t, s, nil)
		for _, data := range []string{"first", "first", "second"} {
			for i := range 300 {
				r.route(engine.Message{ID: "a", Client: "phone", Seq: int64(i + 1), Data: []byte(data)})
			}
			synctest.Wait()
		}
		r.send("b", "1")
		r.end()
		st := r.Stats()
		if st.Stored != 301 || st.Duplicates != 300 || st.Refused != 300 {
			t.Errorf("stats: %+v", st)
		}
		for _, o := range r.heard() {
			if conflict := string(o.Data) == "second"; conflict != errors.Is(o.err, engine.ErrConflict) {
				t.Errorf("%s: %v", o.Data, o.err)
			}
		}
	})
}

func TestRefusalsInARowBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		refuse := true
		var r *running
		s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if refuse && s.ended["elsewhere"] != "" && r.Health().Blocked == nil {
				t.Error("the end of a stream unblocked the sink")
			}
			for i, b := range batches {
				if refuse && len(b.Messages) > 0 {
					return 0, engine.Reject(i, 0, errors.New("column data is too small"))
				}
			}
			return 0, nil
		}
		r = start(t, s, nil)
		for i := range 1000 {
			r.send(fmt.Sprint("id", i%10), fmt.Sprint(i))
		}
		time.Sleep(time.Hour)
		// It takes the end of a stream, which is no message.
		r.route(engine.Message{Kind: engine.Disconnect, ID: "elsewhere"})
		time.Sleep(time.Hour)
		if s.endOf("elsewhere") == "" {
			t.Error("the end of a stream waits for the messages of others")
		}
		if st := r.Stats(); st.Refused > 99 {
			t.Errorf("%d were refused before the sink was taken to be at fault", st.Refused)
		}
		if h := r.Health(); h.Blocked == nil {
			t.Error("not blocked")
		}
		s.mu.Lock()
		refuse = false
		s.mu.Unlock()
		time.Sleep(time.Minute)
		if h := r.Health(); h.Blocked != nil {
			t.Errorf("still blocked: %v", h.Blocked)
		}
		r.end()
		if st := r.Stats(); st.Refused > 99 || st.Stored < 901 {
			t.Errorf("stats: %+v", st)
		}
	})
}

// An outage that an operator must mend sends nothing to the dead letters.
func TestBlockedSinkRefusesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		missing := true
		s.fault = func(context.Context, []engine.Batch) (int, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if missing {
				return 0, engine.Blocked(errors.New("no such table"))
			}
			return 0, nil
		}
		r := start(t, s, nil)
		for i := range 100 {
			r.send(fmt.Sprint("id", i), "1")
		}
		time.Sleep(time.Hour)
		if h := r.Health(); h.Blocked == nil {
			t.Error("not blocked")
		}
		s.mu.Lock()
		missing = false
		s.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if n := s.count(); n != 100 {
			t.Errorf("%d stored", n)
		}
		r.end()
	})
}

// However long the last try of a stream took, a drain tries it again while there is
// time: the sink may have come back.
func TestDrainTriesWhatFailedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		heal := time.Now().Add(45 * time.Second)
		s.fault = func(context.Context, []engine.Batch) (int, error) {
			if time.Now().After(heal) {
				return 0, nil
			}
			time.Sleep(20 * time.Second)
			return 0, errDown
		}
		r := start(t, s, func(o *engine.Options) { o.BatchSize = 1 })
		r.send("a", "1")
		time.Sleep(50 * time.Second) // it has failed alone, and is let alone for long
		synctest.Wait()
		if s.count() != 0 {
			t.Error("stored already")
		}
		r.end()
	})
}

func TestDrainGivesUpAndKeepsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(context.Context, []engine.Batch) (int, error) { return 0, errDown }
		dir := t.TempDir()
		r := start(t, s, func(o *engine.Options) { o.DataDir = dir })
		for i := range 25 {
			r.send("a", fmt.Sprintf(`{"n":%d}`, i))
		}
		r.route(engine.Message{ID: "b", Client: "phone", Seq: 7, Op: "r", Code: -3, Data: []byte("{\n \"x\": 1 }")})
		r.route(engine.Message{ID: "b", Client: "phone", Seq: 8, Data: []byte("\"no UTF-8: \xff\"")})
		r.route(engine.Message{Kind: engine.Done, ID: "b", Code: 2, Data: []byte(`"end"`)})
		r.route(engine.Message{Kind: engine.Flush, ID: "b"})
		began := time.Now()
		err := r.drain()
		if !errors.Is(err, engine.ErrUndelivered) || !strings.Contains(err.Error(), "27 messages") {
			t.Errorf("Run: %v", err)
		}
		if d := time.Since(began); d != 30*time.Second {
			t.Errorf("gave up after %v", d)
		}
		files, _ := filepath.Glob(filepath.Join(dir, "undelivered-*.ndjson"))
		if len(files) != 1 || !strings.Contains(err.Error(), files[0]) {
			t.Fatalf("files %v, error %v", files, err)
		}
		checkUndelivered(t, files[0], r.accepted)
	})
}

func TestDrainEndsEvenIfTheSinkHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		gate := make(chan struct{})
		s.fault = func(context.Context, []engine.Batch) (int, error) { <-gate; return 0, nil }
		r := start(t, s, nil)
		r.send("a", "1")
		synctest.Wait()
		r.stop()
		err := <-r.result
		if !errors.Is(err, engine.ErrUndelivered) || !strings.Contains(err.Error(), "did not return") {
			t.Errorf("Run: %v", err)
		}
		r.store.mu.Lock()
		if r.store.closed != 0 {
			t.Error("closed while it was writing")
		}
		r.store.mu.Unlock()
		close(gate)
		synctest.Wait()
		r.check()
	})
}

// A sink that comes back at the very moment at which it is given up.
func TestDrainEndsAsTheSinkComesBack(t *testing.T) {
	for i := range 30 {
		synctest.Test(t, func(t *testing.T) {
			s := newStore()
			s.fault = func(context.Context, []engine.Batch) (int, error) {
				time.Sleep(35 * time.Second) // shutdown_timeout and hangGrace
				return 0, nil
			}
			r := start(t, s, func(o *engine.Options) {
				o.GroupSize, o.BatchSize, o.Writers = 10, 1, 1+i%3
			})
			for j := range 500 {
				r.send(fmt.Sprint("id", j%50), fmt.Sprint(j))
			}
			r.stop()
			if err := <-r.result; !errors.Is(err, engine.ErrUndelivered) {
				t.Errorf("Run: %v", err)
			}
			time.Sleep(time.Minute)
			if n := s.count(); n == 0 { // what was given up may be stored
				t.Error("nothing is stored")
			}
			r.check()
		})
	}
}

// A drain that gives up nothing but control messages: an end is kept and told of,
// the others leave nothing behind.
func TestDrainGivesUpControlMessages(t *testing.T) {
	for kind, kept := range map[engine.Kind]int{
		engine.Done: 1, engine.Disconnect: 0, engine.Resume: 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore()
			s.fault = func(context.Context, []engine.Batch) (int, error) { return 0, errDown }
			dir := t.TempDir()
			r := start(t, s, func(o *engine.Options) { o.DataDir = dir })
			r.route(engine.Message{Kind: kind, ID: "a", Client: "phone"})
			err := r.drain()
			if errors.Is(err, engine.ErrUndelivered) != (kept > 0) {
				t.Errorf("%v: Run: %v", kind, err)
			}
			if files, _ := filepath.Glob(filepath.Join(dir, "undelivered-*")); len(files) != kept {
				t.Errorf("%v: files %v", kind, files)
			}
		})
	}
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var at []time.Duration
		began := time.Now()
		s.fault = func(context.Context, []engine.Batch) (int, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			at = append(at, time.Since(began))
			return 0, errDown
		}
		r := start(t, s, func(o *engine.Options) { o.BatchSize, o.RetryMax = 1, 4*time.Second })
		r.send("a", "1")
		time.Sleep(time.Hour)
		s.mu.Lock()
		s.fault = nil
		s.mu.Unlock()
		r.end()
		var longest time.Duration
		for i := 1; i < len(at); i++ {
			gap := at[i] - at[i-1]
			longest = max(longest, gap)
			if i < 5 && gap > 100*time.Millisecond<<(i-1) {
				t.Errorf("gap %d is %v", i, gap)
			}
		}
		if longest > 4*time.Second || longest < 3*time.Second {
			t.Errorf("the longest gap was %v", longest)
		}
		if n := len(at); n < 1000 || n > 3600*2 { // 2 s on average
			t.Errorf("%d attempts in an hour", n)
		}
	})
}

func TestResultsReachControlMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newStore(), nil)
		for i := range 3 {
			r.route(engine.Message{ID: "a", Client: "phone", Seq: int64(10 * (i + 1)), Data: []byte("1")})
		}
		r.send("a", "own number")
		r.route(engine.Message{Kind: engine.Resume, ID: "a", Client: "phone"})
		r.route(engine.Message{Kind: engine.Resume, ID: "a", Client: "other"})
		r.route(engine.Message{Kind: engine.Done, ID: "a"})
		r.route(engine.Message{Kind: engine.Done, ID: "a"})
		r.route(engine.Message{Kind: engine.Done, ID: "never seen"})
		r.route(engine.Message{Kind: engine.Flush, ID: "never seen either"})
		r.end()
		var got []string
		for _, o := range r.heard() {
			switch o.Kind {
			case engine.Resume:
				got = append(got, fmt.Sprint("resume ", o.Client, " ", o.result.LastSeq))
			case engine.Done:
				got = append(got, fmt.Sprint("done ", o.ID, " ", o.result.Rows))
			case engine.Flush:
				got = append(got, fmt.Sprint("flush ", o.ID))
			}
		}
		slices.Sort(got)
		want := []string{
			"done a 4", "done a 4", "done never seen 0", "flush never seen either",
			"resume other 0", "resume phone 30",
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	})
}

// A done overtook the reports before it.
func TestDoneComesAfterItsReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
			for _, b := range batches {
				if b.End != "" && len(s.stored(b.ID))+len(b.Messages) != 23 {
					t.Errorf("%s ended with %d stored", b.ID, len(s.stored(b.ID)))
				}
			}
			return 0, nil
		}
		r := start(t, s, nil)
		for i := range 23 {
			r.send("a", fmt.Sprint(i))
		}
		r.route(engine.Message{Kind: engine.Done, ID: "a"})
		synctest.Wait()
		if s.endOf("a") != engine.EndOp {
			t.Error("not done at once")
		}
		r.send("a", "again") // opens it again
		r.route(engine.Message{Kind: engine.Flush, ID: "a"})
		synctest.Wait()
		if s.endOf("a") != "" {
			t.Error("still done")
		}
		r.route(engine.Message{Kind: engine.Disconnect, ID: "a"})
		s.mu.Lock()
		s.fault = nil
		s.mu.Unlock()
		r.end()
		if s.endOf("a") != engine.EndDisconnect {
			t.Errorf("ended by %q", s.endOf("a"))
		}
	})
}

// A refusal that was found before a part of the delivery failed stays with its
// message, while those before it are stored and settled.
func TestRefusalOutlivesAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		heal := time.Now().Add(time.Minute)
		s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
			err := each(batches, func(i, j int, m engine.Message) error {
				if string(m.Data) == "8" {
					return engine.Reject(i, j, errors.New("too long"))
				}
				return nil
			})
			if err == nil && time.Now().Before(heal) {
				err = each(batches, func(_, _ int, m engine.Message) error {
					if string(m.Data) == "2" {
						return errDown
					}
					return nil
				})
			}
			return 0, err
		}
		r := start(t, s, func(o *engine.Options) { o.BatchSize = 20 })
		for i := range 20 {
			r.send("a", fmt.Sprint(i))
		}
		time.Sleep(30 * time.Second)
		if got := s.stored("a"); !reflect.DeepEqual(got, []string{"0", "1"}) {
			t.Errorf("stored before the one that fails: %q", got)
		}
		time.Sleep(2 * time.Minute)
		r.end()
		for _, o := range r.heard() {
			if refused := o.err != nil; refused != (string(o.Data) == "8") {
				t.Errorf("%s: %v", o.Data, o.err)
			}
		}
	})
}

// Where the sink does not say which message it refuses, an end may be it.
func TestRefusedEndIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
			for _, b := range batches {
				if b.Final != nil {
					return 0, engine.Permanent(errors.New("end_data too long"))
				}
			}
			return 0, nil
		}
		r := start(t, s, nil)
		for i := range 5 {
			r.send("a", fmt.Sprint(i))
			r.route(engine.Message{Kind: engine.Flush, ID: "a"})
			r.route(engine.Message{Kind: engine.Done, ID: "a"})
			r.route(engine.Message{Kind: engine.Done, ID: "b"})
		}
		r.end()
		for _, o := range r.heard() {
			if refused := o.err != nil; refused != (o.Kind == engine.Done) {
				t.Errorf("%v: %v", o.Kind, o.err)
			}
		}
	})
}

package spool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// failing makes operations of a kind, on files whose name ends so, fail from now on
// until it is called again.
func (c *crashFS) failing(op, suffix string, part int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.fault = nil
		return
	}
	c.fault = func(is, name string, size int) (int, error) {
		if is == op && strings.HasSuffix(name, suffix) {
			return min(part, size), err
		}
		return size, nil
	}
}

// TestDiskFull fails writes for a while, after a part of them or at once: senders
// wait, nothing is told to be spooled, and everything goes on by itself.
func TestDiskFull(t *testing.T) {
	for _, op := range []string{"write", "preallocate", "create"} {
		for _, part := range []int{0, 1, 700} {
			t.Run(fmt.Sprint(op, part), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					next := newHeld()
					next.settleAll()
					r := start(t, newCrashFS(), next, nil)
					r.send("a", "before")
					synctest.Wait()
					r.fs.failing(op, segmentSuffix, part, syscall.ENOSPC)
					for i := range 30 { // more than a segment
						r.send("a", fmt.Sprint(i, strings.Repeat("x", 10_000)))
					}
					time.Sleep(5 * time.Minute)
					if h := r.Health(); !errors.Is(h.Waiting, syscall.ENOSPC) || h.Failed != nil {
						t.Errorf("health: %+v", h)
					}
					if n := r.told(); n == 31 {
						t.Error("all is told to be spooled")
					}
					if n := strings.Count(r.log.String(), "WARN"); n < 2 || n > 7 {
						t.Errorf("it is logged %d times in five minutes:\n%s", n, r.log)
					}
					r.fs.failing("", "", 0, nil)
					time.Sleep(5 * time.Second)
					synctest.Wait()
					if n := r.told(); n != 31 {
						t.Errorf("%d messages are spooled 5 s after the disk has room again", n)
					}
					if h := r.Health(); h.Waiting != nil || !strings.Contains(r.log.String(), "succeed again") {
						t.Errorf("health: %+v\n%s", h, r.log)
					}
					if err := r.end(true); err != nil {
						t.Errorf("Run: %v", err)
					}
				})
			})
		}
	}
}

// TestDiskFullAtTheEnd drains while nothing can be written: what was accepted is
// stored nevertheless, or its senders hear that it is not.
func TestDiskFullAtTheEnd(t *testing.T) {
	for _, stored := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			next := newHeld()
			if stored {
				next.settleAll()
			}
			r := start(t, newCrashFS(), next, nil)
			r.fs.failing("write", segmentSuffix, 5, syscall.ENOSPC)
			for i := range 10 {
				r.send(fmt.Sprint(i%3), fmt.Sprint(i))
			}
			time.Sleep(time.Minute)
			err := r.end(false)
			switch {
			case stored && (err != nil || r.left() != 0):
				t.Errorf("Run: %v; %d messages are left", err, r.left())
			case !stored && (err == nil || !strings.Contains(err.Error(), "10 messages could neither") || r.left() != 10):
				t.Errorf("Run: %v; %d messages are left", err, r.left())
			case r.Stats().Pending != 0:
				t.Errorf("what is lost is pending: %+v", r.Stats())
			}
			if r.told() != 0 {
				t.Errorf("%d messages were spooled", r.told())
			}
		})
	}
}

// TestFailedSync fails one sync, then lets them succeed: nobody is told that anything
// is spooled any more, and what was accepted is handed on from memory.
func TestFailedSync(t *testing.T) {
	tests := []struct{ op, suffix string }{
		{"sync", segmentSuffix}, {"truncate", segmentSuffix}, {"syncdir", ""}, {"sync", marksName}, {"sync", marksTmpName},
	}
	for _, tt := range tests {
		t.Run(tt.op+tt.suffix, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := newHeld()
				next.settleAll()
				r := start(t, newCrashFS(), next, func(c *Config) { c.rewriteAt = 100 })
				r.send("a", "before")
				time.Sleep(time.Second)
				if r.told() != 1 {
					t.Fatal("nothing is spooled")
				}
				r.fs.mu.Lock()
				r.fs.fault = func(op, name string, size int) (int, error) {
					switch {
					case tt.op == "truncate" && op == "write" && strings.HasSuffix(name, segmentSuffix):
						return 3, syscall.EIO // and what is written cannot be cut off
					case op == tt.op && strings.HasSuffix(name, tt.suffix):
						return 0, syscall.EIO
					}
					return size, nil
				}
				r.fs.mu.Unlock()
				n := 0
				for failed := false; !failed && n < 20_000; {
					select {
					case <-r.Failed():
						failed = true
					default:
						if r.try(fmt.Sprint(n%5), strings.Repeat("x", 1+n%3*1000)) == nil {
							n++
						}
						synctest.Wait()
					}
					time.Sleep(10 * time.Millisecond)
				}
				if r.failure() == nil {
					t.Fatal("it has not failed")
				}
				r.fs.failing("", "", 0, nil)
				told := r.told()
				if err := r.try("a", "after"); err == nil || engine.IsPermanent(err) || !errors.Is(err, syscall.EIO) {
					t.Errorf("Route: %v", err)
				}
				time.Sleep(time.Minute)
				if h := r.Health(); !errors.Is(h.Failed, syscall.EIO) {
					t.Errorf("health: %+v", h)
				}
				if r.told() != told {
					t.Error("messages are told to be spooled after a sync has failed")
				}
				if r.heard() != n+1 {
					t.Errorf("of %d messages %d are settled", n+1, r.heard())
				}
				if err := r.end(false); !errors.Is(err, syscall.EIO) {
					t.Errorf("Run: %v", err)
				}
				// It opens again, and holds nothing that was not sent.
				r = start(t, r.fs, newHeld(), nil)
				if err := r.end(true); err != nil || r.found.missing > 0 {
					t.Errorf("later: %v, %+v\n%s", err, r.found, r.log)
				}
			})
		})
	}
}

// TestSpoolFull accepts no more than fits on disk, and goes on as soon as something
// is settled.
func TestSpoolFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newHeld()
		r := start(t, newCrashFS(), next, nil)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		n := 0
		for ctx.Err() == nil {
			err := r.route(ctx, r.Spool, engine.Message{ID: fmt.Sprint(n), Data: []byte(strings.Repeat("x", 10_000))})
			if err == nil {
				n++
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		st, h := r.Stats(), r.Health()
		if st.Bytes > int64(engine.MiB) || st.Bytes < int64(engine.MiB)*3/4 || st.Pending != int64(n) {
			t.Errorf("stats: %+v", st)
		}
		if h.FullSince.IsZero() || h.Waiting != nil || h.Failed != nil {
			t.Errorf("health: %+v", h)
		}
		if err := r.route(context.Background(), r.Spool, engine.Message{ID: "0", Kind: engine.Flush}); err != nil {
			t.Errorf("a control message waits: %v", err)
		}
		r.Update(Limits{MaxPending: 256 * engine.MiB, MaxStreams: 1000, RejectWhenFull: true, DrainTimeout: time.Second})
		if err := r.try("more", "x"); !errors.Is(err, engine.ErrOverloaded) {
			t.Errorf("Route: %v", err)
		}
		next.settleAll()
		time.Sleep(time.Second)
		synctest.Wait()
		r.send("more", "x")
		synctest.Wait()
		if h := r.Health(); !h.FullSince.IsZero() {
			t.Errorf("health: %+v", h)
		}
		if err := r.end(true); err != nil {
			t.Errorf("Run: %v", err)
		}
		if st := r.Stats(); st.Pending != 0 {
			t.Errorf("stats: %+v", st)
		}
	})
}

// TestDrainOfAFullSpool keeps on disk what was accepted and had no room there: senders
// that hear no acks would never learn that it was lost. While they only wait for
// their acks, and no Route waits, the spool says that it is full, too.
func TestDrainOfAFullSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newCrashFS(), newHeld(), nil)
		for i := range 150 {
			r.send(fmt.Sprint("stream", i%3), fmt.Sprintf("%d %s", i, strings.Repeat("x", 10_000)))
		}
		synctest.Wait()
		began := time.Now()
		time.Sleep(time.Minute + retryMax/2) // it waits, and does not try just now
		if h := r.Health(); !h.FullSince.Equal(began) || h.Waiting != nil {
			t.Errorf("health, full since %v: %+v", began, h)
		}
		if err := r.end(true); err != nil {
			t.Errorf("Run: %v", err)
		}
		if st := r.Stats(); st.Pending != 150 {
			t.Errorf("stats: %+v", st)
		}
		if got, st := r.fs.found(t, nil); len(got) != 150 || st.Replayed != 150 {
			t.Errorf("of 150 messages %d are found: %+v", len(got), st)
		}
	})
}

// TestFullSpoolDoesNotLinger has next store what it holds as soon as there is no room
// on disk for more: it might wait for its linger, and the senders with it. It is not
// told so twice.
func TestFullSpoolDoesNotLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newHeld()
		r := start(t, newCrashFS(), next, nil)
		for i := range 150 {
			r.send(fmt.Sprint("stream", i%3), fmt.Sprintf("%d %s", i, strings.Repeat("x", 10_000)))
		}
		time.Sleep(time.Minute)
		for i := range 3 {
			if n := next.flushes(fmt.Sprint("stream", i)); n != 1 {
				t.Errorf("stream %d is flushed %d times", i, n)
			}
		}
		next.settleAll()
		time.Sleep(time.Minute)
		if st := r.Stats(); st.Pending != 0 {
			t.Errorf("stats: %+v", st)
		}
		if err := r.end(true); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestSettledWhileMarksAreSaved settles the last message of a segment while what was
// settled before is being saved: the segment is not deleted before that is durable, or
// after a crash its message would be taken for lost.
func TestSettledWhileMarksAreSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newHeld()
		r := start(t, newCrashFS(), next, nil)
		r.send("last", "x")
		for range 20 {
			r.send("a", strings.Repeat("x", 10_000))
		}
		synctest.Wait()
		saved, deleted := false, 0
		fault := func(op, name string, size int) (int, error) {
			switch {
			case op == "write" && name == marksName && !saved:
				saved = true
				next.settle("last", 1, nil)
			case op == "remove" && strings.HasSuffix(name, segmentSuffix):
				first, _ := parseSegmentName(name)
				m, _, _ := parseMarks(r.fs.names[marksName].synced)
				if deleted++; m.floor <= first && covered(m.spans, span{first, first + 1}) == 0 {
					t.Errorf("%s is deleted, and what is durable of the marks are %v", name, m.spans)
				}
			}
			return size, nil
		}
		r.fs.mu.Lock()
		r.fs.fault = fault
		r.fs.mu.Unlock()
		next.settle("a", 20, nil)
		time.Sleep(time.Minute)
		r.fs.mu.Lock()
		r.fs.fault = nil
		r.fs.mu.Unlock()
		if !saved || deleted != 1 {
			t.Errorf("saved: %v; %d segments are deleted", saved, deleted)
		}
		if err := r.end(true); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestMarksFull cannot save what is settled, since the disk is full of segments: the
// oldest are deleted nevertheless, so that there is room again.
func TestMarksFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newHeld()
		r := start(t, newCrashFS(), next, nil)
		r.send("first", "x")
		for i := range 40 {
			r.send("a", fmt.Sprint(i, strings.Repeat("x", 10_000)))
		}
		synctest.Wait()
		r.fs.fill(true)
		before := r.Stats().Segments
		// While the oldest is needed none is deleted: what would be handed on after
		// a crash had a hole.
		r.send("b", "x")
		synctest.Wait()
		next.settle("a", 30, nil)
		next.settle("b", 1, nil)
		time.Sleep(time.Second)
		oldest := r.fs.segments()
		next.settleAll()
		time.Sleep(time.Minute)
		if h := r.Health(); !errors.Is(h.Waiting, syscall.ENOSPC) {
			t.Errorf("health: %+v", h)
		}
		if len(oldest) != before {
			t.Errorf("of %d segments %v are left while the oldest is needed", before, oldest)
		}
		if st := r.Stats(); st.Segments != 1 || before < 3 {
			t.Errorf("%d segments of %d are left", st.Segments, before)
		}
		// A crash now: what is deleted is not missed.
		for i := range uint64(20) {
			s, err := Open(config(r.fs.ifItCrashed(rand.New(rand.NewPCG(i, 1)))))
			if err != nil {
				t.Fatal(err)
			}
			if st := s.Stats(); st.Missing > 0 || st.Pending != 2 {
				t.Errorf("after a crash: %+v", st)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		r.fs.fill(false)
		if err := r.end(true); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

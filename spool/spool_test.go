package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
)

// TestConfig reports every mistake at once.
func TestConfig(t *testing.T) {
	_, err := Open(Config{Limits: Limits{DrainTimeout: -1}})
	for _, option := range []string{"spool_dir", "spool_max", "shutdown_timeout", "max_pending", "max_streams", "numbers"} {
		if err == nil || !strings.Contains(err.Error(), option) {
			t.Errorf("the error does not name %s: %v", option, err)
		}
	}
}

// TestLock lets nobody else open a spool, and says who has it.
func TestLock(t *testing.T) {
	c := config(newCrashFS())
	c.fs, c.Dir = nil, filepath.Join(t.TempDir(), "made", "too")
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(c); err == nil || !strings.Contains(err.Error(), fmt.Sprint("in use by another process: ", os.Getpid())) {
		t.Errorf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), newHeld()); err == nil {
		t.Error("a closed spool was run")
	}
	if s, err = Open(c); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRefusals are about messages that are not taken.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newCrashFS(), newHeld(), func(c *Config) { c.MaxPending = 64 * engine.KiB })
		for _, m := range []engine.Message{
			{},
			{ID: "a", Seq: -1},
			{ID: "a", Kind: 77},
			{ID: "a", Data: make([]byte, 64<<10)}, // more than max_pending
			{ID: "a", Kind: engine.Done, Data: make([]byte, 200<<10)}, // more than an eighth of spool_max
		} {
			if err := r.route(t.Context(), r.Spool, m); !engine.IsPermanent(err) {
				t.Errorf("%.60v: %v", m, err)
			}
		}
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		r.send("a", "fine")
		if err := r.end(true); err != nil {
			t.Error(err)
		}
		if err := r.route(gone, r.Spool, engine.Message{ID: "a"}); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("Route at the end: %v", err)
		}
	})
}

// ending is a next that ends by itself.
type ending struct {
	*held
	err error
}

func (e ending) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	return errors.Join(e.held.Run(ctx), e.err)
}

// TestNextEnds ends the spool's run with next's.
func TestNextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newCrashFS()
		s, err := Open(config(fs))
		if err != nil {
			t.Fatal(err)
		}
		l := newListener()
		ended := make(chan error, 1)
		bad := errors.New("close the sink: no")
		go func() { ended <- s.Run(context.Background(), ending{newHeld(), bad}) }()
		for i := range 10 {
			if err := l.route(t.Context(), s, engine.Message{ID: "a", Data: fmt.Append(nil, i)}); err != nil {
				t.Error(err)
			}
		}
		if err := <-ended; !errors.Is(err, bad) || errors.Is(err, engine.ErrUndelivered) {
			t.Errorf("Run: %v", err)
		}
		l.check(t, true)
		if l.left() != 10 || s.Stats().Pending != 10 {
			t.Errorf("%d messages are left: %+v", l.left(), s.Stats())
		}
		if open := fs.leaks(); len(open) > 0 {
			t.Errorf("still open: %v", open)
		}
	})
}

// TestOwnNumbers ascend in the order of acceptance, and are kept by a message that
// comes again.
func TestOwnNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, last := newCrashFS(), int64(0)
		for range 3 {
			next := newHeld()
			r := start(t, fs, next, nil)
			for range 100 {
				r.send("a", "x")
			}
			synctest.Wait()
			time.Sleep(time.Second)
			got := next.of("a")
			seqs := next.got()
			for i := 1; i < len(seqs); i++ {
				if seqs[i].Seq <= seqs[i-1].Seq {
					t.Fatalf("number %d comes after %d", seqs[i].Seq, seqs[i-1].Seq)
				}
			}
			if seqs[0].Seq < last || seqs[0].Seq < engine.FirstOwnSeq {
				t.Errorf("%d messages begin with number %d", len(got), seqs[0].Seq)
			}
			if last != 0 && seqs[0].Seq != last {
				t.Errorf("the first message had number %d, and has %d", last, seqs[0].Seq)
			}
			last = seqs[0].Seq
			if err := r.end(true); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestManyProducers come and go: none hears of what is another's.
func TestManyProducers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newHeld()
		r := start(t, newCrashFS(), next, nil)
		var all []*listener
		for i := range 300 {
			l := newListener()
			all = append(all, l)
			for k := range 3 {
				if err := l.route(t.Context(), r, engine.Message{ID: fmt.Sprint("s", i%5), Client: fmt.Sprint("p", i), Seq: int64(k + 1)}); err != nil {
					t.Error(err)
				}
			}
			if i%7 == 0 {
				synctest.Wait()
				next.settle(fmt.Sprint("s", i%5), 1000, nil)
			}
		}
		if err := r.end(true); err != nil {
			t.Error(err)
		}
		for _, l := range all {
			l.check(t, true)
		}
		if n := len(r.producers.slot); n > 220 {
			t.Errorf("the table of producers has %d places: none is used again", n)
		}
	})
}

// TestLargeSpoolOpens is about the time that it takes to open a spool.
func TestLargeSpoolOpens(t *testing.T) {
	size := long.Scale(32, 1024)
	c := config(newCrashFS())
	c.fs, c.Dir, c.Max, c.DrainTimeout = nil, t.TempDir(), 4*engine.GiB, 0
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	next := newHeld()
	next.refuse = func(*engine.Message) error { return engine.ErrTooManyStreams }
	go func() { ended <- s.Run(ctx, next) }()
	data := []byte(strings.Repeat("x", 200))
	n := uint64(0)
	for ; n < uint64(size)<<20/250; n++ { // a record has a little more than 250 bytes
		if err := s.Route(ctx, engine.Message{ID: fmt.Sprint(n % 1000), Data: data}, nil); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if s, err = Open(c); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages, %v: open after %v", n, engine.Size(s.Stats().Bytes), time.Since(began))
	if st := s.Stats(); st.Replayed != n {
		t.Errorf("of %d messages %d are found: %+v", n, st.Replayed, st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// keeper keeps dead letters in memory. While failing is not nil it keeps none.
type keeper struct {
	mu      sync.Mutex
	failing error
	calls   int
	letters []engine.DeadLetter
}

func (k *keeper) Keep(_ context.Context, letters []engine.DeadLetter) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	if k.failing != nil {
		return k.failing
	}
	for _, l := range letters {
		l.Message.Data = bytes.Clone(l.Message.Data)
		k.letters = append(k.letters, l)
	}
	return nil
}

func (k *keeper) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failing = err
}

func (k *keeper) data() (data []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.letters {
		data = append(data, string(l.Message.Data))
	}
	slices.Sort(data)
	return data
}

// refusing makes a store that refuses messages, and ends, whose data begins with
// "bad".
func refusing() *store {
	s := newStore()
	s.fault = func(_ context.Context, batches []engine.Batch) (int, error) {
		for i, b := range batches {
			for j, m := range b.Messages {
				if strings.HasPrefix(string(m.Data), "bad") {
					return 0, engine.Reject(i, j, codedError("1406"))
				}
			}
			if b.Final != nil && string(b.Final.Data) == "bad end" {
				return 0, engine.Reject(i, len(b.Messages), codedError("1264"))
			}
		}
		return 0, nil
	}
	return s
}

type codedError string

func (e codedError) Error() string     { return "refused with " + string(e) }
func (e codedError) ErrorCode() string { return string(e) }

func TestDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{}
		r := start(t, refusing(), func(o *engine.Options) { o.DeadLetters = k })
		r.send("a", "1")
		r.route(engine.Message{ID: "a", Client: "phone", Seq: 7, Op: "report", Data: []byte("bad 2")})
		r.send("a", "3")
		r.route(engine.Message{Kind: engine.Done, ID: "a", Data: []byte("bad end")})
		r.route(engine.Message{ID: "b", Client: "phone", Seq: 1, Data: []byte("1")})
		r.route(engine.Message{ID: "b", Client: "phone", Seq: 1, Data: []byte("2")})
		r.end()
		if got := k.data(); !slices.Equal(got, []string{"2", "bad 2", "bad end"}) {
			t.Fatalf("kept %q", got)
		}
		for _, l := range k.letters {
			code := map[string]string{"2": "conflict", "bad 2": "1406", "bad end": "1264"}[string(l.Message.Data)]
			if l.Code != code || l.Attempts < 1 || l.Refused.IsZero() || !engine.IsPermanent(l.Err) && code == "conflict" {
				t.Errorf("%+v", l)
			}
			if code == "1406" && (l.Message.Seq != 7 || l.Message.Client != "phone" || l.Message.ID != "a" || l.Err.Error() != "refused with 1406") {
				t.Errorf("%+v", l)
			}
		}
	})
}

// Nobody is told of a refusal before it is kept; the stream waits for that, and no
// other does.
func TestDeadLettersAreKeptBeforeAnybodyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{failing: errors.New("disk full")}
		r := start(t, refusing(), func(o *engine.Options) { o.DeadLetters, o.BatchSize = k, 1 })
		r.send("a", "bad 1")
		r.send("a", "2")
		r.send("b", "3")
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, o := range r.heard() {
			if o.ID == "a" && (o.err != nil || string(o.Data) == "2") {
				t.Errorf("%s was settled with %v while the letter cannot be kept", o.Data, o.err)
			}
		}
		if got := r.store.stored("b"); len(got) != 1 {
			t.Errorf("another stream was held back: %v", got)
		}
		if err := r.Health().DeadLetters; err == nil || err.Error() != "disk full" {
			t.Errorf("Health: %v", err)
		}
		k.fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if r.Health().DeadLetters != nil || len(k.data()) != 1 || len(r.heard()) != 3 {
			t.Errorf("health %v, letters %q, heard of %d", r.Health().DeadLetters, k.data(), len(r.heard()))
		}
		r.end()
	})
}

// What is neither stored nor kept when a drain ends is undelivered.
func TestDeadLettersThatCannotBeKeptAreUndelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		k := &keeper{failing: errors.New("disk full")}
		r := start(t, refusing(), func(o *engine.Options) { o.DeadLetters, o.DataDir = k, dir })
		r.send("a", "0")
		r.send("a", `"fine"`)
		r.send("a", `bad 1`)
		r.send("b", `1`)
		err := r.drain()
		if !errors.Is(err, engine.ErrUndelivered) {
			t.Errorf("Run: %v", err)
		}
		if st := r.Stats(); st.Stored != 3 || st.Undelivered != 1 || st.Refused != 0 {
			t.Errorf("stats: %+v", st)
		}
	})
}

func TestErrorCode(t *testing.T) {
	for want, err := range map[string]error{
		"":         errors.New("1406"),
		"conflict": fmt.Errorf("write: %w", engine.Reject(0, 0, engine.ErrConflict)),
		"1406":     engine.Permanent(fmt.Errorf("insert: %w", codedError("1406"))),
	} {
		if got := engine.ErrorCode(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

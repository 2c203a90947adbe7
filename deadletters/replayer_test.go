package deadletters

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

var errTest = errors.New("out of range")

// table is a sink in memory. It refuses what bad says, and fails while failing says
// so.
type table struct {
	mu      sync.Mutex
	bad     func(m *engine.Message) error
	failing error
	rows    map[string]engine.Message // by key
	order   []engine.Message          // as they were stored
	ends    []engine.Batch
	doubled int
}

func newTable() *table { return &table{rows: make(map[string]engine.Message)} }

func (s *table) Close() error { return nil }

func (s *table) Write(_ context.Context, batches []engine.Batch) ([]engine.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil {
		return nil, s.failing
	}
	for i, b := range batches {
		for j := range b.Messages {
			if err := s.refuses(&b.Messages[j]); err != nil {
				return nil, engine.Reject(i, j, err)
			}
		}
		if b.Final != nil && s.refuses(b.Final) != nil {
			return nil, engine.Reject(i, len(b.Messages), s.refuses(b.Final))
		}
	}
	results := make([]engine.Result, len(batches))
	for i, b := range batches {
		for _, m := range b.Messages {
			key := fmt.Sprintf("%q %d %q", m.ID, m.Seq, m.Client)
			if _, stored := s.rows[key]; stored {
				results[i].Duplicates++
				s.doubled++
				continue
			}
			m.ID, m.Data = strings.Clone(m.ID), slices.Clone(m.Data)
			s.rows[key] = m
			s.order = append(s.order, m)
		}
		if b.Final != nil {
			final := *b.Final
			final.ID, final.Data = strings.Clone(final.ID), slices.Clone(final.Data)
			b.Final, b.Messages, b.ID = &final, nil, strings.Clone(b.ID)
			s.ends = append(s.ends, b)
		}
	}
	return results, nil
}

func (s *table) refuses(m *engine.Message) error {
	if s.bad == nil {
		return nil
	}
	return s.bad(m)
}

// change changes the table.
func (s *table) change(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }

// stored are the messages of the table, in the order of storing.
func (s *table) stored() []engine.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.order)
}

// replaying runs an engine that writes to sink, and a replayer, until the function
// that it returns is called.
func replaying(t *testing.T, s *Store, sink engine.Sink) (stop func() error) {
	t.Helper()
	o := engine.DefaultOptions()
	o.BatchWait = time.Hour // a replay waits for no linger
	o.ShutdownTimeout = 50 * time.Millisecond
	o.RetryMax = 10 * time.Millisecond
	o.RetryMin = o.RetryMax
	o.MaxPending = 1 << 20
	o.DeadLetters = s
	e, err := engine.New(sink, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(bg)
	var work sync.WaitGroup
	var failed error
	work.Go(func() { failed = e.Run(ctx) })
	serve(t, &work, ctx, s, e)
	return sync.OnceValue(func() error { cancel(); work.Wait(); return failed })
}

func serve(t *testing.T, work *sync.WaitGroup, ctx context.Context, s *Store, router engine.Router) {
	t.Helper()
	r := NewReplayer(s, hclog.NewNullLogger())
	r.every = 5 * time.Millisecond
	work.Go(func() {
		if err := r.Serve(ctx, router); err != nil {
			t.Error(err)
		}
	})
}

// mark marks what f selects.
func mark(t *testing.T, s *Store, f Filter) (request int64) {
	t.Helper()
	request, _, err := s.Mark(bg, f)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// settled waits until nothing of a request is waited for.
func settled(t *testing.T, s *Store, request int64) (o Outcome) {
	t.Helper()
	eventually(t, "the replay comes to its end", func() bool {
		var err error
		if o, err = s.Outcome(bg, request); err != nil {
			t.Fatal(err)
		}
		return !o.Waiting
	})
	return o
}

// What is replayed is stored as it was accepted, in its order, and no letter any
// more.
func TestReplay(t *testing.T) {
	s := newStore(t)
	want := make(map[string][]engine.Message)
	var letters []engine.DeadLetter
	for i := range int64(1300) {
		l := letter(fmt.Sprint(i%7), i+1)
		if i%3 == 0 { // no client's number, but the server's own
			l.Message.Client, l.Message.Seq = "", engine.FirstOwnSeq+5000-i
		}
		l.Message.Time = l.Message.Time.Add(time.Duration(i) * time.Millisecond)
		want[l.Message.ID] = append(want[l.Message.ID], l.Message)
		letters = append(letters, l)
	}
	if err := s.Keep(bg, letters); err != nil {
		t.Fatal(err)
	}
	done := letter("3", 0)
	done.Message.Kind, done.Message.Op = engine.Done, "done"
	keep(t, s, done)
	other := letter("not marked", 1)
	keep(t, s, other)

	sink := newTable()
	stop := replaying(t, s, sink)
	request := mark(t, s, Filter{upto: 1301})
	if o := settled(t, s, request); o != (Outcome{Asked: 1301, Stored: 1301}) {
		t.Errorf("%+v", o)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	got := make(map[string][]engine.Message)
	for _, m := range sink.stored() {
		m.Tag, m.Replayed = 0, false
		got[m.ID] = append(got[m.ID], m)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("what is stored is not what was refused")
	}
	if len(sink.ends) != 1 || sink.ends[0].ID != "3" || !sink.ends[0].Ended.Equal(done.Message.Received) ||
		sink.ends[0].Final.Code != 3 || string(sink.ends[0].Final.Data) != `{"n":0}` {
		t.Errorf("ends: %+v", sink.ends)
	}
	total(t, s, 1)
}

// What is refused again is the same letter with the new reason. However many they
// are, the engine does not take the sink for broken.
func TestRefusedAgain(t *testing.T) {
	s := newStore(t)
	many(t, s, 250)
	sink := newTable()
	sink.bad = func(m *engine.Message) error {
		if m.Seq <= 220 {
			return errTest
		}
		return nil
	}
	stop := replaying(t, s, sink)
	if o := settled(t, s, mark(t, s, Filter{})); o != (Outcome{Asked: 250, Stored: 30, Refused: 220}) {
		t.Errorf("%+v", o)
	}
	letters := all(t, s, Filter{})
	for i, l := range letters {
		if l.Number != int64(i+1) || l.Reason != errTest.Error() || l.Code != "" || l.Attempts < 2 || l.Replay != 0 {
			t.Fatalf("%+v", l)
		}
	}
	if len(letters) != 220 {
		t.Errorf("%d letters", len(letters))
	}
	sink.change(func() { sink.bad = nil })
	settled(t, s, mark(t, s, Filter{}))
	if err := stop(); err != nil {
		t.Error(err)
	}
	total(t, s, 0)
	if n := len(sink.stored()); n != 250 {
		t.Errorf("%d are stored", n)
	}
}

// What a daemon cannot deliver keeps its mark. The next daemon delivers it.
func TestReplayGoesOnAfterARestart(t *testing.T) {
	s := newStore(t)
	many(t, s, 30)
	sink := newTable()
	sink.failing = errors.New("server has gone away")
	stop := replaying(t, s, sink)
	request := mark(t, s, Filter{})
	if err := stop(); err != nil && !errors.Is(err, engine.ErrUndelivered) {
		t.Error(err)
	}
	if n, err := s.Waiting(bg, request); n != 30 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
	sink.failing = nil
	stop = replaying(t, s, sink)
	if o := settled(t, s, request); o.Stored != 30 {
		t.Errorf("%+v", o)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	total(t, s, 0)
}

// A crash after the storing and before the deleting is the same as this: what is
// replayed is stored already.
func TestReplayOfWhatIsStored(t *testing.T) {
	s := newStore(t)
	many(t, s, 30)
	sink := newTable()
	stop := replaying(t, s, sink)
	settled(t, s, mark(t, s, Filter{}))
	many(t, s, 30) // the letters are there again
	if o := settled(t, s, mark(t, s, Filter{})); o.Stored != 30 {
		t.Errorf("%+v", o)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	total(t, s, 0)
	if n := len(sink.stored()); n != 30 || sink.doubled != 30 {
		t.Errorf("%d rows, %d absorbed", n, sink.doubled)
	}
}

// A letter that no router takes, or that cannot be read, is refused again, and keeps
// no other from being replayed.
func TestReplayOfWhatCannotBeRouted(t *testing.T) {
	s := newStore(t)
	large := letter("a", 1)
	large.Message.Data = []byte(`"` + strings.Repeat("x", 2<<20) + `"`)
	keep(t, s, letter("a", 1), large, letter("a", 2), letter("a", 3))
	damage(t, s, 3)
	sink := newTable()
	stop := replaying(t, s, sink)
	if o := settled(t, s, mark(t, s, Filter{})); o != (Outcome{Asked: 4, Stored: 2, Refused: 2}) {
		t.Errorf("%+v", o)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if l, err := s.Get(bg, 2); err != nil || !strings.Contains(l.Reason, "max_pending") || l.Attempts != 2 {
		t.Errorf("%q, %d attempts, %v", l.Reason, l.Attempts, err)
	}
	if l, err := s.Get(bg, 3); err == nil || !strings.Contains(l.Reason, "sent_at") {
		t.Errorf("%q, %v", l.Reason, err)
	}
}

// stub is a router that keeps what it gets until the test settles it.
type stub struct {
	mu     sync.Mutex
	refuse error // what Route returns
	calls  int   // of Route
	got    []engine.Message
	to     engine.Producer
}

func (r *stub) Route(_ context.Context, m engine.Message, p engine.Producer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if r.refuse != nil {
		return r.refuse
	}
	if m.Kind == engine.Report {
		r.got, r.to = append(r.got, m), p
	}
	return nil
}

// answer says what Route returns from now on. It tells how often it was called.
func (r *stub) answer(err error) (calls int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = err
	return r.calls
}

func (r *stub) tried() int { r.mu.Lock(); defer r.mu.Unlock(); return r.calls }

func (r *stub) routed() []engine.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// stubbed runs a replayer with a stub, until the function that it returns is called.
func stubbed(t *testing.T, s *Store) (*stub, func()) {
	t.Helper()
	r := &stub{}
	ctx, cancel := context.WithCancel(bg)
	var work sync.WaitGroup
	serve(t, &work, ctx, s, r)
	return r, func() { cancel(); work.Wait() }
}

// No more than so many letters are under way, and each is only once.
func TestUnderwayIsBounded(t *testing.T) {
	s := newStore(t)
	many(t, s, 2*mostUnderway+1)
	r, stop := stubbed(t, s)
	request := mark(t, s, Filter{})
	for done := 0; done < 2*mostUnderway+1; {
		eventually(t, "more are routed", func() bool {
			n := len(r.routed())
			return n == min(done+mostUnderway, 2*mostUnderway+1)
		})
		ms := r.routed()[done:]
		half := ms[:(len(ms)+1)/2]
		r.to.Settled(half, engine.Result{}, nil)
		done += len(half)
		eventually(t, "outcomes are recorded", func() bool {
			o, err := s.Outcome(bg, request)
			return err == nil && o.Stored == int64(done)
		})
	}
	stop()
	for i, m := range r.routed() {
		if m.Tag != int64(i+1) {
			t.Fatalf("letter %d is routed as number %d", m.Tag, i+1)
		}
	}
	total(t, s, 0)
}

// While the router has no room, letters wait in their order.
func TestReplayWaitsForRoom(t *testing.T) {
	s := newStore(t)
	many(t, s, 20)
	r, stop := stubbed(t, s)
	for i, full := range []error{engine.ErrOverloaded, engine.ErrTooManyStreams, engine.ErrClosed, nil} {
		tried := r.answer(full)
		if i == 0 {
			mark(t, s, Filter{})
		}
		eventually(t, "a letter is tried", func() bool { return r.tried() > tried })
	}
	eventually(t, "all are routed", func() bool { return len(r.routed()) == 20 })
	r.to.Settled(r.routed(), engine.Result{}, nil)
	stop()
	if !slices.IsSortedFunc(r.routed(), func(a, b engine.Message) int { return int(a.Tag - b.Tag) }) {
		t.Error("out of order")
	}
	total(t, s, 0)
}

// What is discarded while it is under way is gone, whatever becomes of it.
func TestDiscardedUnderWay(t *testing.T) {
	s := newStore(t)
	many(t, s, 3)
	r, stop := stubbed(t, s)
	request := mark(t, s, Filter{})
	eventually(t, "all are routed", func() bool { return len(r.routed()) == 3 })
	if n, err := s.Discard(bg, Filter{}); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	r.to.Settled(r.routed()[:1], engine.Result{}, nil)
	r.to.Settled(r.routed()[1:2], engine.Result{}, engine.Permanent(errTest))
	r.to.Settled(r.routed()[2:], engine.Result{}, engine.ErrUndelivered)
	stop()
	total(t, s, 0)
	if o, err := s.Outcome(bg, request); o != (Outcome{Asked: 3}) || err != nil {
		t.Errorf("%+v, %v", o, err)
	}
}

// While outcomes cannot be recorded they are kept, and are recorded later.
func TestOutcomesAreRecordedLater(t *testing.T) {
	s := newStore(t)
	many(t, s, 10)
	r, stop := stubbed(t, s)
	request := mark(t, s, Filter{})
	eventually(t, "all are routed", func() bool { return len(r.routed()) == 10 })
	moved := s.path + ".moved"
	if err := os.Rename(s.path, moved); err != nil {
		t.Fatal(err)
	}
	r.to.Settled(r.routed(), engine.Result{}, nil)
	if err := os.Rename(moved, s.path); err != nil {
		t.Fatal(err)
	}
	if o := settled(t, s, request); o.Stored != 10 {
		t.Errorf("%+v", o)
	}
	stop()
	if n := len(r.routed()); n != 10 {
		t.Errorf("%d letters were routed", n)
	}
	total(t, s, 0)
}

// A drain may take long. What is stored at its end is recorded all the same.
func TestOutcomesOfALongDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		many(t, s, 10)
		request := mark(t, s, Filter{})
		ctx, cancel := context.WithCancel(bg)
		r := &stub{}
		var work sync.WaitGroup
		serve(t, &work, ctx, s, r)
		eventually(t, "all are routed", func() bool { return len(r.routed()) == 10 })
		cancel()
		<-time.After(time.Minute) // no time at all, here
		r.to.Settled(r.routed()[:5], engine.Result{}, nil)
		<-time.After(time.Minute)
		r.to.Settled(r.routed()[5:], engine.Result{}, nil)
		work.Wait()
		if o, err := s.Outcome(bg, request); o != (Outcome{Asked: 10, Stored: 10}) || err != nil {
			t.Errorf("%+v, %v", o, err)
		}
		total(t, s, 0)
	})
}

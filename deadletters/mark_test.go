package deadletters

import (
	"errors"
	"slices"
	"testing"

	"github.com/ingestd/ingestd/engine"
)

func TestDiscard(t *testing.T) {
	s := newStore(t)
	many(t, s, 2*chunk+10)
	for _, c := range []struct {
		filter Filter
		want   int64
	}{
		{Filter{Numbers: []int64{1, 2, 9999}}, 2},
		{Filter{ID: "5", Limit: 7}, 7},
		{Filter{ID: "none"}, 0},
		{Filter{Limit: chunk + 1}, chunk + 1},
		{Filter{}, chunk},
		{Filter{}, 0},
	} {
		if n, err := s.Discard(bg, c.filter); n != c.want || err != nil {
			t.Errorf("%+v: %d, %v, want %d", c.filter, n, err, c.want)
		}
	}
	total(t, s, 0)
}

func TestMark(t *testing.T) {
	s := newStore(t)
	many(t, s, 2*chunk+10)
	mark := func(f Filter, want int64) int64 {
		t.Helper()
		request, n, err := s.Mark(bg, f)
		if n != want || err != nil {
			t.Errorf("%+v: %d, %v, want %d", f, n, err, want)
		}
		return request
	}
	outcome := func(request int64, want Outcome) {
		t.Helper()
		if o, err := s.Outcome(bg, request); o != want || err != nil {
			t.Errorf("request %d: %+v, %v, want %+v", request, o, err, want)
		}
	}
	marked := func(want int64) {
		t.Helper()
		if n, err := s.Marked(bg); n != want || err != nil {
			t.Errorf("%d are marked, %v, want %d", n, err, want)
		}
	}
	marked(0)
	if _, err := s.Outcome(bg, 99); !errors.Is(err, ErrNoReplay) {
		t.Errorf("a request that there was not: %v", err)
	}
	none := mark(Filter{ID: "none"}, 0)
	outcome(none, Outcome{})
	first := mark(Filter{Limit: 4}, 4)
	if got := numbers(t, s, Filter{marked: true}); !slices.Equal(got, []int64{1, 2, 3, 4}) {
		t.Errorf("%v are marked", got)
	}
	if got := numbers(t, s, Filter{After: 1, Limit: 2}); !slices.Equal(got, []int64{2, 3}) {
		t.Errorf("after 1 come %v", got)
	}
	marked(4)
	every := mark(Filter{}, 2*chunk+10)
	outcome(first, Outcome{Asked: 4})
	outcome(every, Outcome{Asked: 2*chunk + 10, Waiting: true})

	// One is refused again by whoever sent it, one by somebody else, one is stored,
	// one is discarded.
	underway := map[int64]*replay{1: {request: every}, 2: {request: every}, 3: {request: every}, 5: {request: first}}
	err := s.settle(bg, underway, []verdict{{1, nil}, {2, engine.Permanent(errTest)}, {5, engine.Permanent(errTest)}, {99, nil}})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, s, letter("2", 3)) // number 3
	if n, err := s.Discard(bg, Filter{Numbers: []int64{4}}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	outcome(every, Outcome{Asked: 2*chunk + 10, Stored: 1, Refused: 2, Waiting: true})
	if n, err := s.Waiting(bg, every); n != 2*chunk+10-4 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
	if l, err := s.Get(bg, 2); l.Replay != 0 || l.Attempts != 2 || l.Reason != errTest.Error() || err != nil {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err := s.Get(bg, 5); l.Replay != every || err != nil {
		t.Errorf("the mark of a later request is gone: %+v, %v", l, err)
	}
}

// What is refused while a replay is asked for is not part of it: it would have no
// end.
func TestMarkTakesWhatIsThere(t *testing.T) {
	s := newStore(t)
	many(t, s, 10)
	request, _, err := s.Mark(bg, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, s, letter("later", 1))
	if n, err := s.Waiting(bg, request); n != 10 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// Requests are forgotten after many others.
func TestRequestsAreBounded(t *testing.T) {
	s := newStore(t)
	keep(t, s, letter("a", 1))
	c := <-s.writer
	_, err := c.ExecContext(bg, `WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 3000)
			INSERT INTO replays (request, asked_at, letters, stored, refused) SELECT value, '', 0, 0, 0 FROM n`)
	s.writer <- c
	if err != nil {
		t.Fatal(err)
	}
	if request, n, err := s.Mark(bg, Filter{}); request != 3001 || n != 1 || err != nil {
		t.Fatal(request, n, err)
	}
	var kept int
	if err := s.reads.QueryRowContext(bg, "SELECT count(*) FROM replays").Scan(&kept); err != nil || kept != requestsKept {
		t.Errorf("%d requests are kept, %v", kept, err)
	}
}

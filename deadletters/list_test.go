package deadletters

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/long"
)

// many keeps n letters of ten streams at once.
func many(tb testing.TB, s *Store, n int) {
	tb.Helper()
	for at := 0; at < n; {
		var letters []engine.DeadLetter
		for ; len(letters) < 5000 && at < n; at++ {
			letters = append(letters, letter(fmt.Sprint(at%10), int64(at+1)))
		}
		if err := s.Keep(bg, letters); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestFilters(t *testing.T) {
	s := newStore(t)
	for i := range int64(6) {
		l := letter(fmt.Sprint(i%2), i)
		if i >= 4 {
			l.Message.Client, l.Code = "tablet", "conflict"
		}
		keep(t, s, l)
	}
	s.sink = "another"
	keep(t, s, letter("x", 7))
	for name, c := range map[string]struct {
		filter Filter
		want   []int64
	}{
		"all":                {Filter{}, []int64{1, 2, 3, 4, 5, 6, 7}},
		"numbers":            {Filter{Numbers: []int64{5, 2, 99}}, []int64{2, 5}},
		"no number":          {Filter{Numbers: []int64{}}, nil},
		"stream":             {Filter{ID: "1"}, []int64{2, 4, 6}},
		"client":             {Filter{Client: "tablet"}, []int64{5, 6}},
		"code":               {Filter{Code: "conflict"}, []int64{5, 6}},
		"sink":               {Filter{Sink: "another"}, []int64{7}},
		"stream and client":  {Filter{ID: "1", Client: "tablet"}, []int64{6}},
		"limit":              {Filter{Limit: 2}, []int64{1, 2}},
		"limit of a stream":  {Filter{ID: "1", Limit: 2}, []int64{2, 4}},
		"no such stream":     {Filter{ID: "1 OR TRUE"}, nil},
		"none is marked":     {Filter{marked: true}, nil},
		"limit more than is": {Filter{Limit: 100}, []int64{1, 2, 3, 4, 5, 6, 7}},
	} {
		if got := numbers(t, s, c.filter); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if n, err := s.CountOf(bg, c.filter); c.filter.Limit == 0 && (n != int64(len(c.want)) || err != nil) {
			t.Errorf("%s: %d are counted, want %d; %v", name, n, len(c.want), err)
		}
	}
}

// A list has as many pages as it takes, and no page is large.
func TestPages(t *testing.T) {
	s := newStore(t)
	many(t, s, 2*pageLetters+1)
	got := numbers(t, s, Filter{})
	if len(got) != 2*pageLetters+1 || !slices.IsSorted(got) || len(slices.Compact(got)) != len(got) {
		t.Errorf("%d letters", len(got))
	}
	if got := numbers(t, s, Filter{Limit: pageLetters + 7}); len(got) != pageLetters+7 {
		t.Errorf("%d letters, want %d", len(got), pageLetters+7)
	}
	if got := numbers(t, s, Filter{ID: "3"}); len(got) != (2*pageLetters+1)/10 {
		t.Errorf("%d letters of a stream", len(got))
	}

	s = newStore(t)
	for i := range int64(30) {
		l := letter("large", i)
		l.Message.Data = bytes.Repeat([]byte("x"), pageBytes/10)
		keep(t, s, l)
	}
	page, more, err := s.page(bg, Filter{})
	if len(page) > 11 || !more || err != nil {
		t.Errorf("%d large letters in a page, more: %v, %v", len(page), more, err)
	}
	if got := numbers(t, s, Filter{}); len(got) != 30 {
		t.Errorf("%d large letters", len(got))
	}
}

// While a list is read, nothing is open: letters can be kept and discarded.
func TestAListHoldsNothing(t *testing.T) {
	s := newStore(t)
	many(t, s, 2*pageLetters)
	seen := 0
	for l, err := range s.List(bg, Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen%100 == 0 {
			if n, err := s.Discard(bg, Filter{Numbers: []int64{l.Number}}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			keep(t, s, letter("more", l.Number))
		}
		if seen == pageLetters+200 {
			break
		}
	}
	total(t, s, 2*pageLetters)
}

// A letter that somebody damaged keeps none of the others from being read.
func TestDamagedLetter(t *testing.T) {
	s := newStore(t)
	keep(t, s, letter("a", 1), letter("a", 2), letter("a", 3))
	damage(t, s, 2)
	var got []int64
	var bad *ReadError
	for l, err := range s.List(bg, Filter{}) {
		switch {
		case err == nil:
			got = append(got, l.Number)
		case !errors.As(err, &bad):
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []int64{1, 3}) || bad == nil || bad.Number != 2 {
		t.Errorf("%v, %v", got, bad)
	}
	if _, err := s.Get(bg, 2); err == nil || err.Error() != `dead letter 2: sent_at: parsing time "long ago" as `+
		`"2006-01-02T15:04:05.999999999Z07:00": cannot parse "long ago" as "2006"` {
		t.Error(err)
	}
}

// damage makes a letter that cannot be read.
func damage(t *testing.T, s *Store, number int64) {
	t.Helper()
	c := <-s.writer
	defer func() { s.writer <- c }()
	if _, err := c.ExecContext(bg, "UPDATE letters SET sent_at = 'long ago' WHERE number = ?", number); err != nil {
		t.Fatal(err)
	}
}

// Letters are listed with little memory, however many they are.
func TestManyLetters(t *testing.T) {
	s := newStore(t)
	n := long.Scale(3000, 1_000_000)
	many(t, s, n)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most, seen := heap(), uint64(0), 0
	for _, err := range s.List(bg, Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen%(n/10) == 0 {
			most = max(most, heap())
		}
	}
	if seen != n || most > before+8<<20 {
		t.Errorf("%d letters, %d bytes more than before", seen, most-before)
	}
	if count, err := s.Count(bg); count != int64(n) || err != nil {
		t.Errorf("%d are counted, %v", count, err)
	}
}

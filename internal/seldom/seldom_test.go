package seldom_test

import (
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/seldom"
)

// The first is told at once, and the others at the pace, with their number and the
// newest.
func TestDue(t *testing.T) {
	const every = time.Minute
	var p seldom.Count[int]
	now, newest := time.Unix(1_700_000_000, 0), 0
	for i, step := range []struct {
		add   int
		after time.Duration
		due   uint64
	}{{0, 0, 0}, {1, 0, 1}, {4, every - 1, 0}, {1, 1, 5}, {0, 2 * every, 0}, {2, 0, 2}} {
		for range step.add {
			newest++
			p.Add(newest)
		}
		now = now.Add(step.after)
		count, last := p.Due(now, every)
		if count != step.due || count > 0 && last != newest || count == 0 && last != 0 {
			t.Errorf("step %d: %d are due, the newest is %d, want %d and %d", i, count, last, step.due, newest)
		}
	}
}

// Whoever waits for the next line knows until when.
func TestNext(t *testing.T) {
	var p seldom.Count[string]
	now := time.Unix(1_700_000_000, 0)
	if _, is := p.Next(time.Second); is {
		t.Error("something is due of nothing")
	}
	p.Add("a")
	if at, is := p.Next(time.Second); !is || at.After(now) {
		t.Error("the first is due at", at, is)
	}
	p.Due(now, time.Second)
	p.Add("b")
	if at, is := p.Next(time.Second); !is || !at.Equal(now.Add(time.Second)) {
		t.Error("the second is due at", at, is)
	}
}

// What is left at the end is told whatever the pace is, and nothing twice.
func TestRest(t *testing.T) {
	var p seldom.Count[int]
	var adding sync.WaitGroup
	var told uint64
	for i := range 4 {
		adding.Go(func() {
			for range 100 {
				p.Add(i)
			}
		})
	}
	for range 100 {
		n, _ := p.Due(time.Unix(1, 0), time.Hour)
		told += n
	}
	adding.Wait()
	n, _ := p.Rest()
	if told += n; told != 400 {
		t.Errorf("%d are told of 400", told)
	}
	if n, _ := p.Rest(); n != 0 {
		t.Errorf("%d are told again", n)
	}
}

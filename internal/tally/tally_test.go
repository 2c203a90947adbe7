package tally_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/tally"
)

// A value is in the first bucket whose bound is not below it, as Prometheus has it.
func TestBuckets(t *testing.T) {
	for name, s := range map[string]*tally.Scale{
		"durations": tally.Durations(time.Millisecond, 18),
		"sizes":     tally.Sizes(15),
		"largest":   tally.Durations(100*time.Microsecond, tally.Max-1),
	} {
		unit := 1.0
		if name != "sizes" {
			unit = 1e9
		}
		bounds, _, _ := new(tally.Tally).Of(s)
		for i, bound := range bounds {
			at := int64(math.Round(bound * unit))
			for _, v := range []int64{at, at + 1} {
				var got tally.Tally
				got.Add(s, v)
				_, counts, sum := got.Of(s)
				want := i
				if v > at {
					want++
				}
				if slices.Index(counts, 1) != want {
					t.Errorf("%s: %d is in %v, not in bucket %d", name, v, counts, want)
				}
				if math.Abs(sum-float64(v)/unit) > 1e-9 {
					t.Errorf("%s: the sum of %d is %v", name, v, sum)
				}
			}
		}
	}
}

// What is out of every bound is in the first bucket and in the last.
func TestExtremes(t *testing.T) {
	s := tally.Durations(time.Millisecond, 18)
	var got tally.Tally
	for _, v := range []int64{math.MinInt64, -1, 0, math.MaxInt64} {
		got.Add(s, v)
	}
	_, counts, sum := got.Of(s)
	if counts[0] != 3 || counts[18] != 1 || len(counts) != 19 {
		t.Error(counts)
	}
	if want := float64(math.MaxInt64) / 1e9; sum != want {
		t.Errorf("the sum is %v, not %v", sum, want)
	}
}

func TestMerge(t *testing.T) {
	s := tally.Sizes(15)
	var a, b tally.Tally
	a.Add(s, 1)
	a.Add(s, 3)
	b.Add(s, 3)
	a.Merge(&b)
	_, counts, sum := a.Of(s)
	if !slices.Equal(counts[:4], []uint64{1, 0, 2, 0}) || sum != 7 {
		t.Error(counts, sum)
	}
}

// Package tally counts values by size, for histograms: in a few additions, without
// allocating, and for one goroutine at a time. Whoever shares a Tally has a lock for
// it.
package tally

import (
	"math/bits"
	"time"
)

// Max is how many buckets a scale may have.
const Max = 21

// Scale says what the buckets of a value are. The upper end of each is twice that of
// the one before; the last has none.
type Scale struct {
	least  int64
	length int // of least, in bits
	unit   float64
	bounds []float64
}

// Durations is a scale of times in nanoseconds, whose bounds are in seconds: n of
// them, from least on.
func Durations(least time.Duration, n int) *Scale { return newScale(int64(least), n, 1e9) }

// Sizes is a scale of numbers, with n bounds from 1 on.
func Sizes(n int) *Scale { return newScale(1, n, 1) }

func newScale(least int64, n int, unit float64) *Scale {
	s := &Scale{least: least, length: bits.Len64(uint64(least)), unit: unit, bounds: make([]float64, min(n, Max-1))}
	for i := range s.bounds {
		s.bounds[i] = float64(least<<i) / unit
	}
	return s
}

// bucket is where v belongs: the first whose bound is not below it.
func (s *Scale) bucket(v int64) int {
	if v <= s.least {
		return 0
	}
	// v is at most 2 to the power of its length, and least is less than that of its
	// own: so it is this bucket or the next. A division takes longer.
	b := bits.Len64(uint64(v-1)) - s.length
	if b < len(s.bounds) && v > s.least<<b {
		b++
	}
	return min(b, len(s.bounds))
}

// Tally is how many values there were in each bucket. The zero Tally is empty.
type Tally struct {
	counts [Max]uint64
	sum    float64 // an int64 would be full after some hours of many waits
}

// Add counts v, which is of the scale s. What is below 0, as a clock that was set
// back makes it, counts as 0.
func (t *Tally) Add(s *Scale, v int64) {
	v = max(v, 0)
	t.counts[s.bucket(v)]++
	t.sum += float64(v)
}

// Merge adds what o has counted of the same scale.
func (t *Tally) Merge(o *Tally) {
	for i, n := range o.counts {
		if n > 0 {
			t.counts[i] += n
		}
	}
	t.sum += o.sum
}

// Of gives what t has counted of the scale s: the bounds, which nobody may change,
// how many values are in each bucket, one more than the bounds, and the sum.
func (t *Tally) Of(s *Scale) (bounds []float64, counts []uint64, sum float64) {
	n := len(s.bounds) + 1
	return s.bounds, append(make([]uint64, 0, n), t.counts[:n]...), t.sum / s.unit
}

package engine

import (
	"math"
	"time"

	"github.com/ingestd/ingestd/internal/tally"
)

// Histogram is a snapshot of how some values are distributed.
type Histogram struct {
	// Bounds are the upper ends of the buckets, ascending; a bucket holds what is
	// at most its bound. They are seconds, or numbers of messages, as the value is.
	// All snapshots of a value share them: nobody changes them.
	Bounds []float64

	// Counts are how many values are in each bucket, not cumulative; one more than
	// the bounds, for what is above all of them.
	Counts []uint64

	// Sum is that of all values.
	Sum float64
}

// Count is how many values there are.
func (h Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Sub gives what was added since earlier, a snapshot of the same value; the zero
// Histogram is one of before there was any.
func (h Histogram) Sub(earlier Histogram) Histogram {
	d := Histogram{Bounds: h.Bounds, Counts: make([]uint64, len(h.Counts)), Sum: h.Sum - earlier.Sum}
	copy(d.Counts, h.Counts)
	for i, c := range earlier.Counts {
		d.Counts[i] -= c
	}
	return d
}

// Quantile estimates the value below which a part q of all values is, 0 to 1: those
// of a bucket are taken to be spread evenly over it, and those above all bounds to
// be at the largest. It is NaN where there are no values.
func (h Histogram) Quantile(q float64) float64 {
	total := h.Count()
	if total == 0 {
		return math.NaN()
	}
	rank := max(0, min(q, 1)) * float64(total)
	low, below := 0.0, 0.0
	for i, bound := range h.Bounds {
		n := float64(h.Counts[i])
		if n > 0 && below+n >= rank {
			return low + (bound-low)*(rank-below)/n
		}
		low, below = bound, below+n
	}
	return low
}

// The buckets of what the engine measures.
var (
	ages   = tally.Durations(time.Millisecond, 18)     // to 131 s
	writes = tally.Durations(100*time.Microsecond, 19) // to 26 s
	sizes  = tally.Sizes(15)                           // to 16384 messages
)

func histogram(s *tally.Scale, t *tally.Tally) Histogram {
	bounds, counts, sum := t.Of(s)
	return Histogram{Bounds: bounds, Counts: counts, Sum: sum}
}

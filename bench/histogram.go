package main

import (
	"math"
	"math/bits"
	"time"
)

// histogram counts durations in buckets whose width grows with them: a quantile is
// at most 1/32 too large. The zero histogram is empty.
type histogram struct {
	count   int64
	buckets [(64 - subBits) << subBits]int64
}

// subBits is how many bits of a duration, below its first, choose its bucket.
const subBits = 5

// bucketOf is d's bucket: those below 1<<subBits ns have one each; then each power
// of two has 1<<subBits of them.
func bucketOf(d time.Duration) int {
	v := uint64(max(0, d))
	shift := max(0, bits.Len64(v)-subBits-1)
	return shift<<subBits + int(v>>shift)
}

// upperOf is the greatest duration in a bucket.
func upperOf(bucket int) time.Duration {
	shift := max(0, bucket>>subBits-1)
	return time.Duration((uint64(bucket-shift<<subBits)+1)<<shift - 1)
}

func (h *histogram) record(d time.Duration) {
	h.buckets[bucketOf(d)]++
	h.count++
}

// quantile gives the duration that a share of q of all do not exceed; 0 where there
// are none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := max(1, int64(math.Ceil(q*float64(h.count))))
	for i, n := range h.buckets {
		if rank -= n; rank <= 0 {
			return upperOf(i)
		}
	}
	return math.MaxInt64
}

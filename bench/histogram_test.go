package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Every duration is in a bucket whose upper end is at most 1/32 larger.
func TestHistogramBuckets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	durations := []time.Duration{0, 1, 31, 32, 33, 63, 64, 65, 127, 128, math.MaxInt64 - 1, math.MaxInt64}
	for range 100_000 {
		durations = append(durations, time.Duration(rng.Int64()>>rng.IntN(63)))
	}
	for _, d := range durations {
		b := bucketOf(d)
		if b < 0 || b >= len(histogram{}.buckets) {
			t.Fatalf("%d is in bucket %d", d, b)
		}
		upper := upperOf(b)
		if upper < d || float64(upper) > float64(d)*(1+1.0/32) {
			t.Fatalf("%d is in a bucket up to %d", d, upper)
		}
		if bucketOf(upper) != b || upper < math.MaxInt64 && bucketOf(upper+1) != b+1 {
			t.Fatalf("bucket %d ends at %d", b, upper)
		}
	}
}

// Quantiles are those of the durations.
func TestHistogramQuantile(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty one has a median")
	}
	rng := rand.New(rand.NewPCG(3, 4))
	var all []time.Duration
	for range 10_001 {
		d := time.Duration(math.Exp(rng.Float64() * 20))
		all = append(all, d)
		h.record(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.01, 0.5, 0.99, 0.999, 1} {
		exact := all[max(0, int(math.Ceil(q*float64(len(all))))-1)]
		if got := h.quantile(q); got < exact || float64(got) > float64(exact)*(1+1.0/32) {
			t.Errorf("the quantile %v is %v, not %v", q, got, exact)
		}
	}
}

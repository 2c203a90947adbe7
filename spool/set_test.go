package spool

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSet compares a set with a map.
func TestSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s set
		model := make(map[uint64]bool)
		around := rapid.SampledFrom([]uint64{1, 64, 1 << 40}).Draw(t, "around")
		for _, run := range rapid.SliceOf(rapid.Custom(func(t *rapid.T) span {
			from := around + rapid.Uint64Range(0, 400).Draw(t, "from")
			return span{from, from + rapid.SampledFrom([]uint64{1, 1, 2, 63, 64, 200}).Draw(t, "length")}
		})).Draw(t, "runs") {
			for p := run.from; p < run.to; p++ {
				if added := s.add(p); added == model[p] {
					t.Fatalf("add(%d): %v", p, added)
				}
				model[p] = true
			}
		}
		for p := around - 1; p < around+700; p++ {
			if s.has(p) != model[p] {
				t.Errorf("has(%d): %v", p, s.has(p))
			}
		}
		var want []span
		for p := range model {
			want = append(want, span{p, p + 1})
		}
		want = merge(want)
		copied := s.clone()
		s.add(around + 1000)
		if got := slices.Collect(copied.spans); !slices.Equal(got, want) {
			t.Errorf("spans of %v: %v, not %v", slices.Sorted(maps.Keys(model)), got, want)
		}
		for first := range copied.spans { // and no more
			if first != want[0] {
				t.Errorf("the first span: %v", first)
			}
			break
		}
	})
}

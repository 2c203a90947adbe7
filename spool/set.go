package spool

import (
	"math/bits"
	"slices"
)

// A set is one of positions that are near one another: a bit each, from the first
// one that was added on.
type set struct {
	first uint64 // of words: its place among all positions
	words []uint64
}

// has tells whether p is in s.
func (s *set) has(p uint64) bool {
	i := p/64 - s.first // less than nothing is much
	return i < uint64(len(s.words)) && s.words[i]&(1<<(p%64)) != 0
}

// add puts p into s. It tells whether that is new.
func (s *set) add(p uint64) bool {
	word := p / 64
	switch n := uint64(len(s.words)); {
	case n == 0:
		s.first, s.words = word, append(s.words, 0)
	case word < s.first:
		s.words = slices.Insert(s.words, 0, make([]uint64, s.first-word)...)
		s.first = word
	case word >= s.first+n:
		s.words = append(s.words, make([]uint64, word-s.first-n+1)...)
	}
	w := &s.words[word-s.first]
	bit := uint64(1) << (p % 64)
	was := *w&bit != 0
	*w |= bit
	return !was
}

// spans gives the runs of s, in order.
func (s *set) spans(yield func(span) bool) {
	var run span
	for i, w := range s.words {
		base := (s.first + uint64(i)) * 64
		for w != 0 {
			from := bits.TrailingZeros64(w)
			n := bits.TrailingZeros64(^(w >> from))
			w &^= (1<<n - 1) << from // where n is 64, that is all of it
			next := span{base + uint64(from), base + uint64(from+n)}
			switch {
			case next.from == run.to:
				run.to = next.to
			case run.to > 0 && !yield(run):
				return
			default:
				run = next
			}
		}
	}
	if run.to > 0 {
		yield(run)
	}
}

// without gives the first position from p on that is not in s.
func (s *set) without(p uint64) uint64 {
	for i := p/64 - s.first; i < uint64(len(s.words)); i++ {
		if left := ^s.words[i] >> (p % 64); left != 0 {
			return p + uint64(bits.TrailingZeros64(left))
		}
		p = (p/64 + 1) * 64
	}
	return p
}

// clone copies s.
func (s *set) clone() set { return set{s.first, slices.Clone(s.words)} }

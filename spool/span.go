package spool

import (
	"cmp"
	"slices"
)

// A span is a run of positions: from, and all up to, but not, to.
type span struct{ from, to uint64 }

// merge sorts spans and joins those that meet. It works in place.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	out := spans[:0]
	for _, s := range spans {
		if s.from >= s.to {
			continue
		}
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// covered counts the positions of s that the merged spans hold.
func covered(spans []span, s span) (n uint64) {
	i, _ := slices.BinarySearchFunc(spans, s.from, func(e span, from uint64) int {
		if e.to <= from {
			return -1
		}
		return 1
	})
	for ; i < len(spans) && spans[i].from < s.to; i++ {
		n += min(spans[i].to, s.to) - max(spans[i].from, s.from)
	}
	return n
}

package engine

import (
	"slices"

	"github.com/ingestd/ingestd/internal/seedbug"
)

// fence marks those messages of the spans whose lease is lost, takes what begins a
// span and is fenced for settled, and gives the spans of which something is left. It
// keeps the leases of the rest in w.leases. Each lease is asked once, so of what it
// is about the same is true for all.
func (w *writer) fence(spans []span) []span {
	if (w.wrote || spans[0].d.attempts > 0) && seedbug.Is("engine-lease-asked-once") {
		return spans
	}
	w.leases = w.leases[:0]
	var lost []*Lease
	left := spans[:0]
	for _, s := range spans {
		if s.d.leased && s.d.failure == nil {
			lost = w.fenceSpan(s, lost)
			for s.lo < s.hi && s.d.nodes[s.lo].fenced {
				s.lo++
			}
			s.d.upto = s.lo
		}
		if s.lo < s.hi {
			left = append(left, s)
		}
	}
	return left
}

// fenceSpan is fence for one span. It appends to lost the leases that it finds to be.
func (w *writer) fenceSpan(s span, lost []*Lease) []*Lease {
	var last *Lease // messages of one lease come together
	isLost := false
	for i := s.lo; i < s.hi; i++ {
		l := s.d.msgs[i].Lease
		if l == nil || s.d.nodes[i].fenced || s.d.refused(i) != nil {
			continue
		}
		if l != last {
			last, isLost = l, slices.Contains(lost, l)
			if !isLost && !slices.Contains(w.leases, l) {
				if isLost = !l.Held(); isLost {
					lost = append(lost, l)
				} else {
					w.leases = append(w.leases, l)
				}
			}
		}
		if isLost {
			s.d.nodes[i].fenced = true
		}
	}
	return lost
}

// lost tells whether one of the leases of the batches is lost by now.
func (w *writer) lost() bool {
	return !seedbug.Is("engine-lease-asked-once") && slices.ContainsFunc(w.leases, func(l *Lease) bool { return !l.Held() })
}

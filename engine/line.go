package engine

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// A laneLine is a first-in first-out queue of lanes; a lane is in one at most.
type laneLine struct{ first, last *lane }

func (q *laneLine) push(l *lane) {
	if q.last == nil {
		q.first = l
	} else {
		q.last.behind = l
	}
	q.last = l
}

// pop removes the first, or gives nil.
func (q *laneLine) pop() *lane {
	l := q.first
	if l == nil {
		return nil
	}
	if q.first = l.behind; q.first == nil {
		q.last = nil
	}
	l.behind = nil
	return l
}

// sortedFrom is from how many lanes on those that the writer takes from the line
// are sorted by id: there are few messages of each, and the neighbours in a group
// then change the same pages of a database's indexes. A lane waits for those that
// were taken before it, and for those that are taken with it.
const sortedFrom = 4096

// waiting is a lane that was taken from the line. key are eight bytes of its id,
// behind those that all ids taken with it begin with: so most comparisons touch no
// lane, which would cost a cache miss each.
type waiting struct {
	key  uint64
	lane *lane
}

// refill sees to it that there are lanes in w.fresh, if any is ready: it takes all
// that are.
func (w *writer) refill() bool {
	if len(w.fresh) > 0 {
		return true
	}
	w.mu.Lock()
	line := w.ready
	w.ready = laneLine{}
	w.mu.Unlock()
	all := w.spare[:0]
	for l := line.pop(); l != nil; l = line.pop() {
		all = append(all, waiting{lane: l})
	}
	if len(all) >= sortedFrom {
		sortByID(all)
	}
	w.fresh, w.spare = all, all
	if cap(all) > sortedFrom {
		w.spare = nil
	}
	return len(all) > 0
}

// takeFresh removes the first of w.fresh, or the last.
func (w *writer) takeFresh(last bool) *lane {
	i, left := 0, w.fresh[1:]
	if last {
		i = len(w.fresh) - 1
		left = w.fresh[:i]
	}
	l := w.fresh[i].lane
	w.fresh[i] = waiting{} // its place is used again later
	w.fresh = left
	return l
}

func sortByID(lanes []waiting) {
	first := lanes[0].lane.id
	common := len(first)
	for i := range lanes {
		id := lanes[i].lane.id
		common = min(common, len(id))
		for id[:common] != first[:common] {
			common--
		}
	}
	for i := range lanes {
		var key [8]byte
		copy(key[:], lanes[i].lane.id[common:])
		lanes[i].key = binary.BigEndian.Uint64(key[:])
	}
	slices.SortFunc(lanes, func(a, b waiting) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return strings.Compare(a.lane.id, b.lane.id)
	})
}

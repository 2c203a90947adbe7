package engine

import (
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

const (
	// generation is how many lanes the writer takes from the line at a time, at
	// most.
	generation = 1 << 16

	// sortedFrom is from how many on they are sorted by id: there are few messages
	// of each, and the neighbours in a group then change the same pages of a
	// database's indexes. A lane waits for one generation more at most.
	sortedFrom = 4096
)

// waiting is a lane of a generation. The id is here, too, for it is much compared.
type waiting struct {
	id   string
	lane *lane
}

// refill sees to it that there are lanes in w.fresh, if any is ready.
func (w *writer) refill() bool {
	if len(w.fresh) > 0 {
		return true
	}
	all := w.spare[:0]
	w.mu.Lock()
	for l := w.ready.pop(); l != nil; l = w.ready.pop() {
		if all = append(all, waiting{l.id, l}); len(all) == generation {
			break
		}
	}
	w.mu.Unlock()
	if len(all) >= sortedFrom {
		slices.SortFunc(all, func(a, b waiting) int { return strings.Compare(a.id, b.id) })
	}
	w.fresh, w.spare = all, all
	if cap(all) > sortedFrom {
		w.spare = nil
	}
	return len(all) > 0
}

// takeFresh removes the first of w.fresh, or the last.
func (w *writer) takeFresh(last bool) {
	i := 0
	if last {
		i = len(w.fresh) - 1
	}
	w.fresh[i] = waiting{} // its place is used again later
	if last {
		w.fresh = w.fresh[:i]
	} else {
		w.fresh = w.fresh[1:]
	}
}

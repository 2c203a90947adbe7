package engine

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
)

// maxTurns is how many lanes of a writer have a goroutine at once, those in a
// backoff aside. It is several times what a group can carry, so the writer never
// lacks for work; without it, a million lanes that get ready at once would cost
// some gigabytes of stacks.
const maxTurns = 4096

// turns bounds the lanes' goroutines of a writer. While lanes wait, at least one
// goroutine has a turn, and takes over the next lane when it is done with its own.
//
// Those that wait are served by generations: all that are in line by then, sorted by
// id. So a group has neighbours, whose rows share pages of a database's indexes, of
// which a lane with one message changes several otherwise; and nobody waits for
// more lanes than were there when it came, and one generation's.
type turns struct {
	turn        sync.Mutex // taken within a shard's lock, so not the queue's
	taken       int
	first, last *lane     // who waits for the next generation
	inLine      int       // how many these are
	sorted      []inOrder // the rest of this generation
	sorting     bool      // somebody, who has a turn, makes it
}

// inOrder is a lane of a generation. key are eight bytes of its id, behind those that
// all ids of the generation begin with: so most comparisons touch no lane, which
// would cost a cache miss each.
type inOrder struct {
	key  uint64
	lane *lane
}

// start makes a goroutine for l, or puts it in line.
func (w *writer) start(l *lane) {
	w.turn.Lock()
	defer w.turn.Unlock()
	if w.taken < maxTurns && !w.sorting {
		w.taken++
		w.spawn(l)
		return
	}
	w.enqueue(l)
}

// yield puts l, which has had its turn and has more ready, behind those that wait
// for theirs: a stream that never runs dry does not keep others from the sink. It
// tells whether anybody waits.
func (w *writer) yield(l *lane) bool {
	w.turn.Lock()
	defer w.turn.Unlock()
	if w.first == nil && len(w.sorted) == 0 && !w.sorting {
		return false
	}
	w.enqueue(l)
	return true
}

func (w *writer) spawn(l *lane) {
	w.engine.delivering.Add(1)
	go w.engine.deliver(l)
}

// nextTurn gives the next lane that waits to a goroutine that is done with its own,
// or nil: then its turn is over.
func (w *writer) nextTurn() *lane {
	w.turn.Lock()
	defer w.turn.Unlock()
	l := w.dequeue()
	if l == nil {
		w.taken--
	}
	return l
}

// pause lets another lane have the turn of one that goes into a backoff, so that
// those that cannot be stored hold back nobody.
func (w *writer) pause() {
	w.turn.Lock()
	defer w.turn.Unlock()
	if l := w.dequeue(); l != nil {
		w.spawn(l)
		return
	}
	w.taken--
}

// resume takes a turn again, without waiting for one.
func (w *writer) resume() {
	w.turn.Lock()
	w.taken++
	w.turn.Unlock()
}

func (w *writer) enqueue(l *lane) {
	if w.last == nil {
		w.first = l
	} else {
		w.last.behind = l
	}
	w.last = l
	w.inLine++
}

// dequeue takes the next lane of this generation, or makes the next one. It gives nil
// where nobody waits, and while somebody makes a generation, who will give turns to
// as many of it as there are.
func (w *writer) dequeue() *lane {
	if w.sorting {
		return nil
	}
	if len(w.sorted) == 0 && w.first != nil {
		w.generation()
	}
	if len(w.sorted) == 0 {
		return nil
	}
	return w.shift()
}

// shift takes the first lane of the generation.
func (w *writer) shift() *lane {
	l := w.sorted[0].lane
	w.sorted[0].lane = nil
	w.sorted = w.sorted[1:]
	return l
}

// generation sorts those that are in line now. With many that takes a while, so w.turn,
// which is held before and after, is not held meanwhile.
func (w *writer) generation() {
	all := make([]inOrder, 0, w.inLine)
	first := w.first
	w.first, w.last, w.inLine = nil, nil, 0
	w.sorting = true
	w.turn.Unlock()
	for l := first; l != nil; {
		all = append(all, inOrder{lane: l})
		l, l.behind = l.behind, nil
	}
	sortByID(all)
	w.turn.Lock()
	w.sorted, w.sorting = all, false
	for w.taken < maxTurns && len(w.sorted) > 1 { // one is for whoever asked
		w.taken++
		w.spawn(w.shift())
	}
}

func sortByID(lanes []inOrder) {
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
	slices.SortFunc(lanes, func(a, b inOrder) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return strings.Compare(a.lane.id, b.lane.id)
	})
}

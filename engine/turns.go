package engine

import "sync"

// maxTurns is how many lanes of a writer have a goroutine at once, those in a
// backoff aside. It is several times what a group can carry, so the writer never
// lacks for work; without it, a million lanes that get ready at once would cost
// some gigabytes of stacks.
const maxTurns = 4096

// turns bounds the lanes' goroutines of a writer. While lanes wait, at least one
// goroutine has a turn, and takes over the next lane when it is done with its own.
type turns struct {
	turn        sync.Mutex // taken within a shard's lock, so not the queue's
	taken       int
	first, last *lane // who waits
}

// start makes a goroutine for l, or puts it in line.
func (w *writer) start(l *lane) {
	w.turn.Lock()
	defer w.turn.Unlock()
	if w.taken < maxTurns {
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
	if w.first == nil {
		return false
	}
	w.enqueue(l)
	return true
}

func (w *writer) spawn(l *lane) {
	w.engine.delivering.Add(1)
	go w.engine.deliver(l)
}

// nextTurn gives the lane that has waited longest to a goroutine that is done with
// its own, or nil: then its turn is over.
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
}

func (w *writer) dequeue() *lane {
	l := w.first
	if l == nil {
		return nil
	}
	if w.first = l.behind; w.first == nil {
		w.last = nil
	}
	l.behind = nil
	return l
}

package engine

import "sync"

// maxTurns is how many lanes of a writer have a goroutine at once, those in a
// backoff aside: keeping dead letters may be slow, and a million streams with a bad
// message would cost some gigabytes of stacks.
const maxTurns = 4096

// turns bounds the lanes' goroutines of a writer. While deliveries wait, at least
// one goroutine has a turn, and takes over the next one when it is done with its
// own.
type turns struct {
	turn  sync.Mutex
	taken int
	line  deliveryQueue // who waits
}

// start makes a goroutine for d, or puts it in line.
func (w *writer) start(d *delivery) {
	w.turn.Lock()
	defer w.turn.Unlock()
	if w.taken < maxTurns {
		w.taken++
		w.spawn(d)
		return
	}
	w.line.push(d)
}

func (w *writer) spawn(d *delivery) {
	w.engine.delivering.Add(1)
	go w.engine.mend(d)
}

// nextTurn gives the delivery that has waited longest to a goroutine that is done
// with its own, or nil: then its turn is over.
func (w *writer) nextTurn() *delivery {
	w.turn.Lock()
	defer w.turn.Unlock()
	d := w.line.pop()
	if d == nil {
		w.taken--
	}
	return d
}

// pause lets another delivery have the turn of one that goes into a backoff, so
// that those that cannot be stored hold back nobody.
func (w *writer) pause() {
	w.turn.Lock()
	defer w.turn.Unlock()
	if d := w.line.pop(); d != nil {
		w.spawn(d)
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

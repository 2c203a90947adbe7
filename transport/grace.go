package transport

import (
	"sync"
	"time"
)

// maxLeaving is how many streams may wait for the end of their grace. Past it
// the one that has waited longest ends early.
const maxLeaving = 1_000_000

// leaving is a stream whose last sender is gone.
type leaving struct {
	hold *hold
	gen  uint64
	at   time.Time // when its grace ends
}

// graces are the streams that wait for the end of their grace. Grace is the same
// for all of a transport, so they end in the order in which they came: one clock
// does for all.
type graces struct {
	mu    sync.Mutex
	queue []leaving
	head  int
}

func (g *graces) add(l leaving) (early leaving, full bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue)-g.head >= maxLeaving {
		early, full = g.pop(), true
	}
	if g.head > len(g.queue)/2 && len(g.queue) == cap(g.queue) {
		n := copy(g.queue, g.queue[g.head:])
		clear(g.queue[n:])
		g.queue, g.head = g.queue[:n], 0
	}
	g.queue = append(g.queue, l)
	return early, full
}

// due gives one whose grace has ended by now.
func (g *graces) due(now time.Time) (leaving, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.head == len(g.queue) || g.queue[g.head].at.After(now) {
		return leaving{}, false
	}
	return g.pop(), true
}

// all gives everything that waits, and forgets it.
func (g *graces) all() []leaving {
	g.mu.Lock()
	defer g.mu.Unlock()
	rest := g.queue[g.head:]
	g.queue, g.head = nil, 0
	return rest
}

func (g *graces) pop() leaving {
	l := g.queue[g.head]
	g.queue[g.head] = leaving{}
	if g.head++; g.head == len(g.queue) {
		g.queue, g.head = nil, 0
	}
	return l
}

package engine

import (
	"math/bits"
	"sync"
)

// A slab is where the messages of a delivery lie next to each other, as the sink
// wants them. Slabs come from pools by their size, so that one that waits out a
// backoff takes memory in proportion to its messages, and are held only between
// the writer's gathering of a group and its settling: the many deliveries that
// wait for the writer have none.
type slab struct {
	nodes []*node
	msgs  []Message
	class int
}

// The pools hold slabs for 1 << class messages, up to 1024.
var slabs [11]sync.Pool

// newSlab gives an empty slab for n messages.
func newSlab(n int) *slab {
	c := bits.Len(uint(n - 1))
	if c < len(slabs) {
		if s, ok := slabs[c].Get().(*slab); ok {
			return s
		}
		n = 1 << c
	}
	return &slab{make([]*node, 0, n), make([]Message, 0, n), c}
}

// free gives s back, of which the first n places were used.
func (s *slab) free(n int) {
	if s.class >= len(slabs) {
		return
	}
	clear(s.nodes[:n])
	clear(s.msgs[:n])
	slabs[s.class].Put(s)
}

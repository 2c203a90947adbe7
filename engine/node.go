package engine

import (
	"math/bits"
	"sync"
)

// overhead is what a message counts against MaxPending besides its data: about
// what its node takes.
const overhead = 256

// cost is what m counts against MaxPending. Control messages are free.
func cost(m *Message) int64 {
	if m.Kind != Report {
		return 0
	}
	return int64(len(m.Data)) + overhead
}

// A node is an accepted message in its lane's queue, with a copy of its data.
// Nodes come from pools by the size of their buffers, so that what one retains
// is in proportion to what its message counts, and a steady flow allocates none.
type node struct {
	Message
	producer Producer
	next     *node
	buf      []byte
	class    uint8
	fenced   bool // its lease was lost before it was written
}

// The pools hold nodes with buffers of minBuf bytes, which do for a control
// message, since it says nothing or null, and of 128 bytes and twice as many again
// and again up to 4 KiB; larger ones are left to the garbage collector.
const (
	minBuf  = 8
	nextBuf = 128
	classes = 7
)

var nodes [classes]sync.Pool

// classOf is the class of the smallest buffer that takes n bytes, and how large that
// is.
func classOf(n int) (class uint8, size int) {
	if n <= minBuf {
		return 0, minBuf
	}
	doubled := bits.Len(uint(n-1) / nextBuf)
	return uint8(1 + doubled), nextBuf << doubled
}

// newNode copies m and its data. The ID is left to the lane, which has a string
// of its own.
func newNode(m *Message, p Producer) *node {
	var n *node
	if c, size := classOf(len(m.Data)); c < classes {
		if n, _ = nodes[c].Get().(*node); n == nil {
			n = &node{class: c, buf: make([]byte, size)}
		}
	} else {
		n = &node{class: classes, buf: make([]byte, len(m.Data))}
	}
	n.Message, n.producer = *m, p
	n.ID = ""
	if m.Data != nil {
		n.Data = n.buf[:copy(n.buf, m.Data)]
	}
	return n
}

// free gives n back once nothing refers to its data any more.
func (n *node) free() {
	if n.class == classes {
		return
	}
	n.Message, n.producer, n.next, n.fenced = Message{}, nil, nil, false
	nodes[n.class].Put(n)
}

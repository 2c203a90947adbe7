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
	class    int
}

// The pools hold nodes with buffers of minBuf << class bytes.
const (
	minBuf  = 128
	classes = 6 // up to 4 KiB; larger buffers are left to the garbage collector
)

var nodes [classes]sync.Pool

// newNode copies m and its data. The ID is left to the lane, which has a string
// of its own.
func newNode(m *Message, p Producer) *node {
	var n *node
	if c := bits.Len(uint(max(len(m.Data), 1)-1) / minBuf); c < classes {
		if n, _ = nodes[c].Get().(*node); n == nil {
			n = &node{class: c, buf: make([]byte, minBuf<<c)}
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
	n.Message, n.producer, n.next = Message{}, nil, nil
	nodes[n.class].Put(n)
}

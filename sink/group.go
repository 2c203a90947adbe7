package sink

import (
	"cmp"
	"slices"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Ref names a message of a Write: Batches[Batch].Messages[Message].
type Ref struct{ Batch, Message int }

// Group is what one Write has to store, in the form that a table needs. It is
// reused from Write to Write, so that a write costs no memory of its own.
type Group struct {
	Batches []engine.Batch
	Rows    []Ref    // every message, in the order of acceptance
	Fresh   []Ref    // those of Rows that are not stored yet, in the same order
	Streams []Stream // what Fold made of them
	Now     time.Time

	stored []bool // of each of Rows: known to be stored before
	dups   []int  // of each batch
	first  []int  // of each batch: the index in Rows of its first message
	asked  bool   // some batch has an End or a Resume
}

// Load takes the batches of a Write, all of them as fresh.
func (g *Group) Load(batches []engine.Batch, now time.Time) {
	g.Batches, g.Now, g.asked = batches, now, false
	g.Rows, g.first = g.Rows[:0], g.first[:0]
	for i := range batches {
		b := &batches[i]
		g.asked = g.asked || b.End != "" || b.Resume != ""
		g.first = append(g.first, len(g.Rows))
		for j := range b.Messages {
			g.Rows = append(g.Rows, Ref{i, j})
		}
	}
	g.Fresh = append(g.Fresh[:0], g.Rows...)
	g.stored = zeroed(g.stored, len(g.Rows))
	g.dups = zeroed(g.dups, len(batches))
}

// Release forgets the batches; their memory is the engine's again.
func (g *Group) Release() {
	g.Batches = nil
	clear(g.Streams[:cap(g.Streams)])
}

// Message gives what r names.
func (g *Group) Message(r Ref) *engine.Message {
	return &g.Batches[r.Batch].Messages[r.Message]
}

// Run tells how many of rows, from the first on, are of one stream, client, op,
// address and sender: a statement can bind these once for all of them.
func (g *Group) Run(rows []Ref) int {
	if len(rows) == 0 {
		return 0
	}
	first := g.Message(rows[0])
	for k := 1; k < len(rows); k++ {
		m := g.Message(rows[k])
		if m.ID != first.ID || m.Client != first.Client || m.Op != first.Op ||
			m.Remote != first.Remote || m.Sender != first.Sender {
			return k
		}
	}
	return len(rows)
}

// Sort brings the fresh messages into the order of their keys, so that two
// servers that write the same streams take their locks in the same order. Equal
// keys keep their order.
func (g *Group) Sort() {
	compare := func(x, y Ref) int {
		a, b := g.Message(x), g.Message(y)
		if x.Batch != y.Batch {
			if c := cmp.Compare(a.ID, b.ID); c != 0 {
				return c
			}
		}
		if c := cmp.Compare(a.Seq, b.Seq); c != 0 {
			return c
		}
		return cmp.Compare(a.Client, b.Client)
	}
	if !slices.IsSortedFunc(g.Fresh, compare) {
		slices.SortStableFunc(g.Fresh, compare)
	}
}

// Stored says that the message that r names was stored before this Write, or
// comes earlier in it.
func (g *Group) Stored(r Ref) {
	at := g.first[r.Batch] + r.Message
	if !g.stored[at] {
		g.stored[at] = true
		g.dups[r.Batch]++
	}
}

// Refresh makes Fresh what is not Stored.
func (g *Group) Refresh() {
	g.Fresh = g.Fresh[:0]
	for k, r := range g.Rows {
		if !g.stored[k] {
			g.Fresh = append(g.Fresh, r)
		}
	}
}

func zeroed[T any](s []T, n int) []T {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}

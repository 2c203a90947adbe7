package nats

import (
	"fmt"
	"slices"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/sink"
)

// carriers makes those of a group. It is reused.
type carriers struct {
	parts   []part         // by partition
	used    []int          // the partitions that the group has, ascending
	where   []int          // the partition of each batch of the group; -1: nothing is to be stored
	batches []engine.Batch // those of the group, by partition
	at      []int          // their indices in the group
	buffer  []byte         // all carriers
	out     []publish      // those that were sent
}

// part is what a group has of one partition.
type part struct {
	count  int // of batches
	from   int // the first of them in carriers.batches
	pieces []piece
	turn   bool // it is ours: see flow
}

// piece is a carrier.
type piece struct {
	from, to int // in the buffer
	messages int
}

// spread puts the batches of a group into their partitions, in their order.
func (c *carriers) spread(group []engine.Batch) {
	n, p, id := 0, 0, ""
	for i := range group {
		b := &group[i]
		if len(b.Messages) == 0 && b.End == "" {
			c.where = append(c.where, -1)
			continue
		}
		if n == 0 || b.ID != id {
			id = b.ID
			p = jet.Partition(id, len(c.parts))
		}
		n++
		c.where = append(c.where, p)
		if c.parts[p].count++; c.parts[p].count == 1 {
			c.used = append(c.used, p)
		}
	}
	slices.Sort(c.used)
	from := 0
	for _, p := range c.used {
		c.parts[p].from = from
		from += c.parts[p].count
		c.parts[p].count = 0
	}
	c.batches = slices.Grow(c.batches, n)[:n]
	c.at = slices.Grow(c.at, n)[:n]
	for i, p := range c.where {
		if p >= 0 {
			to := c.parts[p].from + c.parts[p].count
			c.batches[to], c.at[to] = group[i], i
			c.parts[p].count++
		}
	}
}

// encode makes the carriers. Their numbers are still missing. The error is the
// Reject of a message that is too large for a carrier of its own.
func (c *carriers) encode(flow uint64, l limit) error {
	for _, p := range c.used {
		part := &c.parts[p]
		e := encoder{carriers: c, part: part, flow: flow, limit: l}
		if err := e.encode(c.batches[part.from:part.from+part.count], part.from, 0); err != nil {
			return err
		}
	}
	return nil
}

// encoder makes the carriers of one partition.
type encoder struct {
	*carriers
	part  *part
	flow  uint64
	limit limit
}

// encode makes one carrier of batches, or the two halves of them by themselves,
// where it is too large. The first batch is that at index in carriers.batches, from
// its message first on.
func (e *encoder) encode(batches []engine.Batch, index, first int) error {
	from := len(e.buffer)
	e.buffer = jet.AppendCarrier(e.buffer, jet.Header{Flow: e.flow}, batches)
	if size := len(e.buffer) - from; size > e.limit.bytes {
		e.buffer = e.buffer[:from]
		return e.split(batches, index, first, size)
	}
	messages := 0
	for i := range batches {
		messages += len(batches[i].Messages)
	}
	e.part.pieces = append(e.part.pieces, piece{from, len(e.buffer), messages})
	return nil
}

func (e *encoder) split(batches []engine.Batch, index, first, size int) error {
	if half := len(batches) / 2; half > 0 {
		if err := e.encode(batches[:half], index, first); err != nil {
			return err
		}
		return e.encode(batches[half:], index+half, 0)
	}
	// The end of a stream counts as a message, the last.
	left, right := batches[0], batches[0]
	n := len(left.Messages)
	half := (n + 1) / 2
	if half == 0 || n == 1 && left.End == "" {
		return engine.Reject(e.at[index], first, engine.Permanent(sink.WithCode(
			fmt.Errorf("takes %d bytes, and the %s is %d", size, e.limit.of, e.limit.bytes), "too_large")))
	}
	left.Messages, left.End, left.Final = left.Messages[:half], "", nil
	right.Messages = right.Messages[half:]
	if err := e.encode([]engine.Batch{left}, index, first); err != nil {
		return err
	}
	return e.encode([]engine.Batch{right}, index, first+half)
}

// reset drops all that refers to the group.
func (c *carriers) reset() {
	for _, p := range c.used {
		c.parts[p] = part{pieces: c.parts[p].pieces[:0]}
	}
	clear(c.batches)
	clear(c.out)
	c.out = c.out[:0]
	c.used, c.where, c.batches, c.at, c.buffer = c.used[:0], c.where[:0], c.batches[:0], c.at[:0], c.buffer[:0]
}

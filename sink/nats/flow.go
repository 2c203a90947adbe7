package nats

import (
	"context"
	"crypto/rand"
	"encoding/binary"
)

// flow is what tells the carriers of this sink apart from those of others, and from
// one another. See jet.Header.
type flow struct {
	id         uint64
	partitions []partition
}

// partition has the number of its last carrier. Who holds the turn publishes, and
// gives it back when that is acked or given up: so of the carriers that are neither,
// each partition has one, and those that are acked are in the log in the order of
// their numbers.
type partition struct {
	turn chan struct{} // holds one while nobody publishes
	n    uint64        // owned by who has the turn
}

func newFlow(partitions int) flow {
	var id [8]byte
	_, _ = rand.Read(id[:]) // which never fails
	f := flow{id: binary.BigEndian.Uint64(id[:]), partitions: make([]partition, partitions)}
	for p := range f.partitions {
		f.partitions[p].turn = make(chan struct{}, 1)
		f.partitions[p].turn <- struct{}{}
	}
	return f
}

// take waits for the turn. Whoever waits has only turns of lower partitions, and
// whoever publishes waits for none: so all come to their end.
func (p *partition) take(ctx context.Context) error {
	select {
	case <-p.turn:
		return nil
	default:
	}
	select {
	case <-p.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// next is the number of another carrier.
func (p *partition) next() uint64 {
	p.n++
	return p.n
}

func (p *partition) give() { p.turn <- struct{}{} }

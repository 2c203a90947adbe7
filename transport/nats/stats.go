package nats

import (
	"sync/atomic"
	"time"
)

// Stats are figures of a Reader since it was opened. Behind and OldestUnsettled are of
// the partitions that it owns.
type Stats struct {
	Connected  bool
	Reconnects uint64

	Partitions int // of the stream; 0: it is not known yet
	Owned      int // that this reader has
	Readers    int // of its group that are alive, with itself; 0: it is not known yet

	Carriers uint64 // routed
	Messages uint64 // in them, that were accepted
	Stale    uint64 // carriers that were given up and turned up late: left out
	Foreign  uint64 // messages that no ingestd wrote: left out
	Refused  uint64 // messages in carriers that were malformed: left out
	Fenced   uint64 // messages that were not stored because their partition was lost

	// Behind are the carriers that are not settled, read or not. What is not read is
	// measured every few seconds.
	Behind int64

	// OldestUnsettled is when the oldest carrier that was read and is not settled was
	// stored, by JetStream's clock; zero: there is none.
	OldestUnsettled time.Time

	TakenOver uint64 // partitions of readers that were dead
	GivenBack uint64 // partitions, to others that have fewer, or at the end
}

// counts are those that only grow.
type counts struct {
	carriers, messages, stale, foreign, refused, fenced, takenOver, givenBack atomic.Uint64
}

// Stats gives the figures now.
func (r *Reader) Stats() Stats {
	c := &r.counts
	stats := Stats{
		Connected:  r.nc.IsConnected(),
		Reconnects: r.nc.Stats().Reconnects,
		Carriers:   c.carriers.Load(), Messages: c.messages.Load(),
		Stale: c.stale.Load(), Foreign: c.foreign.Load(), Refused: c.refused.Load(), Fenced: c.fenced.Load(),
		TakenOver: c.takenOver.Load(), GivenBack: c.givenBack.Load(),
	}
	r.mu.Lock()
	s := r.session
	r.mu.Unlock()
	if s == nil {
		return stats
	}
	stats.Partitions = s.stream.partitions
	owned := s.all()
	stats.Owned = len(owned)
	s.mu.Lock()
	if s.ready {
		stats.Readers = len(s.mine().members.live()) + 1
	}
	s.mu.Unlock()
	for _, p := range owned {
		count, oldest := p.behind()
		stats.Behind += count
		if !oldest.IsZero() && (stats.OldestUnsettled.IsZero() || oldest.Before(stats.OldestUnsettled)) {
			stats.OldestUnsettled = oldest
		}
	}
	return stats
}

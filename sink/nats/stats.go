package nats

import (
	"sync"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/tally"
)

// Stats is a snapshot of a sink's figures. Those that count do so since Open.
type Stats struct {
	Connected  bool   // to a NATS server
	Reconnects uint64 // how often the connection was made again

	// What NATS has stored: the messages of JetStream, the messages of ingestd in
	// them, and the bytes. What was written again is counted again.
	Publishes         uint64
	PublishedMessages uint64
	PublishedBytes    uint64

	// Failures is how many publishes were not answered with success: so they may
	// have been stored, or not.
	Failures uint64

	// AckTimes is how long NATS took to store a message of JetStream, in seconds.
	AckTimes engine.Histogram
}

// Stats may be called at any time.
func (s *Sink) Stats() Stats {
	all := s.figures.get()
	bounds, counts, sum := all.acks.Of(ackTimes)
	return Stats{
		Connected:         s.conn.IsConnected(),
		Reconnects:        s.conn.Stats().Reconnects,
		Publishes:         all.publishes,
		PublishedMessages: all.messages,
		PublishedBytes:    all.bytes,
		Failures:          all.failures,
		AckTimes:          engine.Histogram{Bounds: bounds, Counts: counts, Sum: sum},
	}
}

var ackTimes = tally.Durations(100*time.Microsecond, 19) // to 26 s

// figures are those of one Write, or of all.
type figures struct {
	publishes, messages, bytes, failures uint64
	acks                                 tally.Tally
}

func (f *figures) acked(p piece, took time.Duration) {
	f.publishes++
	f.messages += uint64(p.messages)
	f.bytes += uint64(p.to - p.from)
	f.acks.Add(ackTimes, int64(took))
}

// sums are the figures of all Writes.
type sums struct {
	mu  sync.Mutex
	all figures
}

func (s *sums) add(f *figures) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.publishes += f.publishes
	s.all.messages += f.messages
	s.all.bytes += f.bytes
	s.all.failures += f.failures
	s.all.acks.Merge(&f.acks)
}

func (s *sums) get() figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

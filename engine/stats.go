package engine

import "time"

// Stats are an Engine's counters, since it was made, and gauges, as they are now.
// At any moment of rest
//
//	Accepted = Stored + Duplicates + Refused + Undelivered + Fenced + Pending
type Stats struct {
	Accepted    uint64 // messages for which Route returned nil
	Stored      uint64 // messages that are durable in the sink
	Duplicates  uint64 // messages that were stored there already
	Refused     uint64 // messages that the sink refused for good
	Undelivered uint64 // messages that a drain gave up
	Fenced      uint64 // messages whose lease was lost before they were stored
	Pending     int64  // messages accepted, not yet settled

	PendingBytes int64 // what they count against MaxPending
	MaxPending   int64 // as it is set now
	Streams      int   // live lanes
	MaxStreams   int   // as it is set now

	Made    uint64 // lanes that were made
	Retired uint64 // lanes that were forgotten

	Groups  uint64 // calls of Sink.Write
	Retries Retries
	Flushes Flushes

	// StoredAfter is how long after their receipt messages were stored, in seconds.
	// Those count too that were stored already, dead letters that are replayed do
	// not. Where a spool is in front, it may be the receipt of an earlier run.
	StoredAfter Histogram

	Writes        Histogram // how long calls of Sink.Write took, in seconds
	GroupMessages Histogram // how many messages they had
	BatchMessages Histogram // how many messages batches had when they got ready
}

// Retries count calls of Sink.Write that did not store all they were given, by what
// became of the rest.
type Retries struct {
	Transient uint64 // failed, and is tried again
	Blocked   uint64 // waits for an operator, and is tried again
	Split     uint64 // some message was refused, and the others were written again
}

// Flushes count batches by the reason that made them ready.
type Flushes struct {
	Count, Bytes, Linger, Flush, Done, Disconnect, Pressure, Drain uint64
}

// Health says whether an Engine takes messages, and what keeps it from storing.
type Health struct {
	Draining     bool
	Blocked      error     // not nil: nothing can be stored until an operator acts
	Failing      error     // not nil: the last Write failed transiently
	BlockedSince time.Time // since when there is Blocked; zero where it is nil
	FailingSince time.Time // since when there is Failing; zero where it is nil
	Numbers      error     // not nil: no numbers can be reserved; without them senders wait soon
	DeadLetters  error     // not nil: refused messages wait, since they cannot be kept
	FullSince    time.Time // not zero: since when Route has had to make senders wait, or turn them away
}

// add adds the counters of a shard.
func (s *Stats) add(o *Stats) {
	s.Made += o.Made
	s.Retired += o.Retired
	s.Accepted += o.Accepted
	s.Stored += o.Stored
	s.Duplicates += o.Duplicates
	s.Refused += o.Refused
	s.Undelivered += o.Undelivered
	s.Fenced += o.Fenced
	s.Flushes.Count += o.Flushes.Count
	s.Flushes.Bytes += o.Flushes.Bytes
	s.Flushes.Linger += o.Flushes.Linger
	s.Flushes.Flush += o.Flushes.Flush
	s.Flushes.Done += o.Flushes.Done
	s.Flushes.Disconnect += o.Flushes.Disconnect
	s.Flushes.Pressure += o.Flushes.Pressure
	s.Flushes.Drain += o.Flushes.Drain
}

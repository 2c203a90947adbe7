package spool

import (
	"sync"
	"time"

	"github.com/ingestd/ingestd/engine"
	counts "github.com/ingestd/ingestd/internal/tally"
)

// Stats are a Spool's counters, since it was opened, and gauges, as they are now. At
// any moment of rest
//
//	Accepted + Replayed = what was settled + Pending
type Stats struct {
	Accepted uint64 // messages for which Route returned nil
	Replayed uint64 // messages that were left when it was opened, and are handed on again
	Pending  int64  // messages that are not settled: on disk, on their way there, or in next

	Bytes    int64 // on disk
	Max      int64 // as many as there may be
	Segments int   // files of the log
	Parked   int   // streams that have their share, and leave the rest on disk

	// When the oldest message was received that is not settled; zero: there is none.
	// It may be too early by a second and a write of the log, and where messages wait
	// for long, by a 64th of the longest wait.
	Oldest time.Time

	Syncs   uint64 // of the log
	Corrupt uint64 // records that could not be read
	Torn    int64  // bytes that a crash left half-written, and that were cut off
	Missing uint64 // records that were in segments that are missing

	SyncTimes engine.Histogram // how long the syncs of the log took, in seconds
}

// Health says whether a Spool takes messages.
type Health struct {
	Draining  bool
	Failed    error     // not nil: a sync failed; nothing is accepted, nor told to be spooled, any more
	Waiting   error     // not nil: the disk refuses writes, which are tried again
	Refused   error     // not nil: next refuses an accepted message; its stream waits for other limits
	FullSince time.Time // not zero: since when there has been no room on disk, or Route has had to make senders wait, or turn them away
}

// Stats gives the counters and gauges.
func (s *Spool) Stats() Stats {
	st := Stats{
		Replayed: s.found.replayed, Torn: s.found.torn, Missing: s.found.missing,
		Max: int64(s.max), Parked: s.flows.parkedCount(),
		SyncTimes: s.committer.syncs.histogram(),
	}
	st.Syncs = st.SyncTimes.Count()
	s.journal.mu.Lock()
	for _, seg := range s.journal.segs {
		if seg.mem == nil {
			st.Segments++
		}
	}
	st.Bytes, st.Corrupt = s.journal.bytes, s.journal.corrupt
	settled := s.journal.settledReports
	s.journal.mu.Unlock()
	s.mu.Lock()
	st.Accepted = s.accepted
	writing := s.writing
	s.mu.Unlock()
	if st.Pending = int64(st.Accepted+st.Replayed) - settled; st.Pending > 0 {
		// What is on disk is older than what is on its way there.
		if st.Oldest = s.journal.oldest(); st.Oldest.IsZero() {
			st.Oldest = writing
		}
		if st.Oldest.IsZero() {
			st.Oldest = time.Now().UTC()
		}
	}
	return st
}

// Health tells how the spool is.
func (s *Spool) Health() Health {
	s.mu.Lock()
	h := Health{Draining: s.closed, Failed: s.failed, FullSince: s.fullSince}
	s.mu.Unlock()
	if full := s.committer.full.began(); h.FullSince.IsZero() || !full.IsZero() && full.Before(h.FullSince) {
		h.FullSince = full
	}
	for _, t := range []*trouble{&s.committer.warn, &s.keeper.warn, &s.feeder.warn} {
		if err := t.current(); err != nil && h.Waiting == nil {
			h.Waiting = err
		}
	}
	h.Refused = s.feeder.refused.current()
	return h
}

// syncTimes are how long syncs of the log took.
type syncTimes struct {
	mu    sync.Mutex
	tally counts.Tally
}

var syncScale = counts.Durations(100*time.Microsecond, 19) // to 26 s

func (t *syncTimes) add(d time.Duration) {
	t.mu.Lock()
	t.tally.Add(syncScale, int64(d))
	t.mu.Unlock()
}

func (t *syncTimes) histogram() engine.Histogram {
	t.mu.Lock()
	defer t.mu.Unlock()
	bounds, counts, sum := t.tally.Of(syncScale)
	return engine.Histogram{Bounds: bounds, Counts: counts, Sum: sum}
}

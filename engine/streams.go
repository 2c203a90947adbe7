package engine

import (
	"cmp"
	"runtime"
	"slices"
	"time"
)

// Stream is what the engine knows of a live stream.
type Stream struct {
	ID           string
	Accepted     uint64    // messages, since it is live
	Recent       uint64    // messages, since the last call of Busiest
	Pending      int       // messages that are not settled
	PendingBytes int64     // what they count against MaxPending
	Since        time.Time // when its newest batch began to collect, or where it is idle, since when
	State        string    // collecting, ready, writing, retrying or idle
	Err          error     // where it is retrying: why
}

// state is that of a lane that is delivering.
type state uint8

const (
	ready    state = iota // in line for its writer
	writing               // on its way to the sink, or to Settled
	retrying              // could not be stored, or its dead letters not be kept
)

// The states of a Stream.
const (
	StateCollecting = "collecting" // a batch is open, and no other under way
	StateReady      = "ready"      // a batch waits for the writer
	StateWriting    = "writing"    // a batch is being written
	StateRetrying   = "retrying"   // a batch could not be stored, and is tried again
	StateIdle       = "idle"       // there is nothing
)

// Stream tells how a stream is, if it is live.
func (e *Engine) Stream(id string) (Stream, bool) {
	s, _ := e.shardOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[id]
	if l == nil {
		return Stream{}, false
	}
	return l.describe(), true
}

// lanesAtATime is how many lanes Busiest looks at before it lets others have the
// shard's lock: for some ten microseconds.
const lanesAtATime = 256

// Busiest gives n live streams: those with the most messages since the last call of
// Busiest, or since they are live, first. Of those with equally many, as where nothing
// comes, those come first that have the most pending messages; then those that are
// retrying; then those that have accepted the most, and those whose Since is newest.
// So streams that wait are there before idle ones.
//
// It looks at every live stream, for about 15 ms in all where they are 100,000, and
// keeps each lock for some ten microseconds only: it is for a page that somebody looks
// at, and few streams, not for every scrape. Who calls it at once with others shares
// the messages with them.
func (e *Engine) Busiest(n int) []Stream {
	if n <= 0 {
		return nil
	}
	var list []busy // a heap would save nothing: few get in
	for i := range e.shards {
		list = e.shards[i].busiest(list, n)
	}
	streams := make([]Stream, len(list))
	for i := range list {
		streams[i] = list[i].Stream
	}
	return streams
}

// A busy stream is one of those that Busiest has found so far.
type busy struct {
	Stream
	since int64 // of its lane
}

// rank tells where b stands to l: it is negative where b comes first.
func (b *busy) rank(l *lane) int {
	if c := cmp.Compare(l.accepted-l.shown, b.Recent); c != 0 {
		return c
	}
	if c := cmp.Compare(int(l.pending), b.Pending); c != 0 {
		return c
	}
	if stuck := l.delivering && l.state == retrying; stuck != (b.State == StateRetrying) {
		if stuck {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(l.accepted, b.Accepted), cmp.Compare(l.since, b.since))
}

// busiest puts those of the shard's lanes into the list of the n busiest that belong
// there, and counts their messages as shown.
func (s *shard) busiest(list []busy, n int) []busy {
	s.mu.Lock()
	defer s.mu.Unlock()
	looked := 0
	for _, l := range s.lanes {
		// A map may change while it is ranged over; only never at the same moment.
		if looked++; looked%lanesAtATime == 0 {
			s.mu.Unlock()
			runtime.Gosched() // or it would have the lock again before who waits for it
			s.mu.Lock()
		}
		recent := l.accepted - l.shown
		if len(list) < n || recent >= list[n-1].Recent && list[n-1].rank(l) > 0 {
			if len(list) == n {
				list = list[:n-1]
			}
			at, _ := slices.BinarySearchFunc(list, l, func(b busy, l *lane) int { return b.rank(l) })
			list = slices.Insert(list, at, busy{l.describe(), l.since})
		}
		if recent > 0 {
			l.shown = l.accepted
		}
	}
	return list
}

// describe is what Stream says of l. The shard's lock is held.
func (l *lane) describe() Stream {
	e := l.shard.engine
	s := Stream{
		ID: l.id, Accepted: l.accepted, Recent: l.accepted - l.shown,
		Pending: int(l.pending), PendingBytes: l.cost, Since: e.clock.start.Add(time.Duration(l.since)),
	}
	switch {
	case l.delivering && l.state == retrying:
		s.State, s.Err = StateRetrying, l.shard.troubles[l]
	case l.delivering && l.state == writing:
		s.State = StateWriting
	case l.delivering:
		s.State = StateReady
	case l.openCount > 0:
		s.State = StateCollecting
	default:
		s.State = StateIdle
	}
	return s
}

// note says that l is retrying, and why; nothing, where err is nil.
func (l *lane) note(err error) {
	if err == nil {
		return
	}
	s := l.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	l.state = retrying
	if s.troubles == nil {
		s.troubles = make(map[*lane]error)
	}
	s.troubles[l] = err
}

// recover says that l is not retrying any more. The shard's lock is held.
func (l *lane) recover() {
	l.state = writing
	delete(l.shard.troubles, l)
	if len(l.shard.troubles) == 0 {
		l.shard.troubles = nil // Go's maps never shrink
	}
}

package spool

import (
	"slices"
	"sync"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// A journal is what is known of the log: its segments, and what of them is settled.
type journal struct {
	mu             sync.Mutex // guards what follows, and the segments
	segs           []*segment // in order; the last may be one that is written
	gone           []span     // positions of segments that are deleted, above the first one
	next           uint64     // the position after the last one that can be read
	bytes          int64      // of the segments on disk
	settledReports int64      // messages, control ones apart
	unsaved        bool       // something is settled that is not in settled.log
	done           bool       // a segment can be deleted
	complete       bool       // nothing is added any more
	receipts       receipts
	corrupt        uint64
}

// find gives the segment that holds a position, or nil.
func (j *journal) find(position uint64) *segment {
	i, ok := slices.BinarySearchFunc(j.segs, position, func(s *segment, p uint64) int {
		switch {
		case s.next <= p:
			return -1
		case s.first > p:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return j.segs[i]
}

// add appends a segment that is going to be written, or is in memory: then its
// records were received at a time.
func (j *journal) add(s *segment, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s.records > 0 {
		j.receipts.note(s.first, at, j.unsettled)
	}
	j.segs = append(j.segs, s)
	j.bytes += s.size
}

// publish makes n more records of s readable, up to end. They were received at a time,
// or a little later.
func (j *journal) publish(s *segment, end int64, n int, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.receipts.note(s.next, at, j.unsettled)
	s.end = end
	s.records += n
	s.next += uint64(n)
	j.next = s.next
}

// seal notes that nothing is written to s any more, and how large it is.
func (j *journal) seal(s *segment, size int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bytes += size - s.size
	s.size, s.sealed = size, true
	j.done = j.done || s.done()
}

// settle notes that ms are settled. It tells whether there is something to do for
// the keeper, and whether that is urgent.
func (j *journal) settle(ms []engine.Message) (wake, urgent bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	wake = !j.unsaved
	var s *segment
	for i := range ms {
		p := ms[i].Pos
		if s == nil || p < s.first || p >= s.next {
			if s = j.find(p); s == nil {
				continue
			}
		}
		if !s.settle(p) {
			continue
		}
		if ms[i].Kind == engine.Report {
			j.settledReports++
		}
		s.unsaved.add(p)
		j.unsaved = true
		if s.done() {
			j.done = true
		}
	}
	return j.unsaved && wake || j.done, j.done
}

func (j *journal) isSettled(s *segment, position uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return s.isSettled(position)
}

// lose notes that positions of s cannot be read: nobody waits for them. It gives
// how many had not been known.
func (j *journal) lose(s *segment, lost span) (fresh uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fresh = lost.to - lost.from - covered(s.bad, lost)
	if fresh == 0 {
		return 0
	}
	for p := lost.from; p < lost.to; p++ {
		if covered(s.bad, span{p, p + 1}) == 0 && s.settle(p) {
			j.settledReports++
		}
	}
	s.bad = merge(append(s.bad, lost))
	j.corrupt += fresh
	j.done = j.done || s.done()
	return fresh
}

// after gives the segment where reading goes on at a position, how far it can be
// read, and whether it is sealed; nil where there is none yet.
func (j *journal) after(position uint64) *segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segs {
		if s.next > position || !s.sealed {
			return s
		}
	}
	return nil
}

// extent tells how far s can be read now, and whether that is all there will be.
func (j *journal) extent(s *segment) (end int64, next uint64, sealed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return s.end, s.next, s.sealed
}

// giveUp notes that n reports are lost: they are not pending.
func (j *journal) giveUp(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.settledReports += int64(n)
}

// finish notes that nothing is added any more.
func (j *journal) finish() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.complete = true
}

func (j *journal) completed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.complete
}

// used gives the bytes of the segments on disk.
func (j *journal) used() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.bytes
}

// take gives what is settled and not saved, in order.
func (j *journal) take() (sets []set) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segs {
		if len(s.unsaved.words) > 0 {
			sets = append(sets, s.unsaved)
			s.unsaved = set{}
		}
	}
	j.unsaved = false
	return sets
}

// releasable gives the segments of which all is settled. Only the first ones, where
// inOrder is set.
func (j *journal) releasable(inOrder bool) []*segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []*segment
	for _, s := range j.segs {
		switch {
		case s.done() && s.mem == nil:
			out = append(out, s)
		case inOrder:
			return out
		}
	}
	j.done = false
	return out
}

// forget drops a segment that is deleted.
func (j *journal) forget(s *segment) {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := slices.Index(j.segs, s)
	if i < 0 {
		return
	}
	j.segs = slices.Delete(j.segs, i, i+1)
	j.bytes -= s.size
	j.gone = merge(append(j.gone, span{s.first, s.next}))
	if len(j.segs) > 0 {
		for len(j.gone) > 0 && j.gone[0].to <= j.segs[0].first {
			j.gone = j.gone[1:]
		}
	}
}

// snapshot gives all that is settled: every position below floor, those of segments
// that are deleted, and sets of those that are not. next is the position after the
// last one. The sets are copies, of a bit for each position: so they are small, however
// much is settled.
func (j *journal) snapshot() (floor, next uint64, gone []span, sets []set) {
	j.mu.Lock()
	defer j.mu.Unlock()
	floor, next = j.next, j.next
	if len(j.segs) > 0 {
		floor = j.segs[0].first
	}
	for _, s := range j.segs {
		if s.settled > 0 {
			sets = append(sets, s.which.clone())
		}
	}
	return floor, next, slices.Clone(j.gone), sets
}

// without gives the position below which all is settled once the first segment is
// deleted.
func (j *journal) without(first *segment) (floor uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segs) > 1 && j.segs[0] == first {
		return j.segs[1].first
	}
	return first.next
}

// unsettled gives the first position that is not settled, or else the next one. j.mu
// is held.
func (j *journal) unsettled() uint64 {
	next := uint64(0)
	for _, s := range j.segs {
		if s.settled < s.records {
			return s.unsettled()
		}
		next = max(next, s.next)
	}
	return max(next, j.next)
}

// oldest is about when the oldest record was received that can be read and is not
// settled; zero: there is none.
func (j *journal) oldest() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.ContainsFunc(j.segs, func(s *segment) bool { return s.settled < s.records }) {
		return time.Time{}
	}
	return j.receipts.of(j.unsettled())
}

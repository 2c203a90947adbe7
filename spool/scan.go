package spool

import (
	"io"

	"github.com/ingestd/ingestd/engine"
)

// A scan reads a segment that an earlier run wrote, and finds its valid end.
type scan struct {
	r     *recovery
	o     *old
	tally // of what is valid
	holes []hole
	batch uint64 // of the last record
	noted uint64 // the batch of which a receipt was noted last
	end   int64  // of what is valid
	size  int64

	sealed  bool
	blank   bool  // there is nothing but zeros
	torn    int64 // bytes behind end that are cut off
	dropped int   // valid records in these
}

// A tally counts records.
type tally struct {
	next    uint64 // the position that is expected
	records int
	reports uint64 // that are not settled
	settled []span
}

// A hole is a part of a segment where no record can be read.
type hole struct {
	off, size int64
	lost      span
	before    tally // what comes before it
}

// all reads the segment.
func (sc *scan) all(last bool) error {
	sc.size, sc.end = sc.o.size, min(segmentHeadLen, sc.o.size)
	rd := reader{salt: sc.r.s.salt}
	rd.reset(sc.o.f, sc.end, sc.o.size)
	for !sc.sealed {
		f, skipped, ok, err := rd.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if f.position < sc.next {
			continue // of something older; it stays where it is, between two records
		}
		if f.position > sc.next || skipped > 0 {
			from := f.off - skipped
			sc.holes = append(sc.holes, hole{from, skipped, span{sc.next, f.position}, sc.tally})
			sc.next = f.position
		}
		sc.end, sc.batch, sc.sealed = f.end(), f.batch, f.seal
		if !f.seal {
			sc.add(&f)
		}
	}
	if last && !sc.sealed {
		sc.cut()
	}
	for _, h := range sc.holes {
		sc.damaged(h)
	}
	zero, err := allZero(sc.o.f, sc.end, sc.o.size)
	if err != nil {
		return err
	}
	if !zero {
		sc.torn = sc.o.size - sc.end
	}
	if sc.records == 0 && !sc.sealed {
		headless, err := allZero(sc.o.f, 0, sc.end)
		if err != nil {
			return err
		}
		sc.blank = zero && (headless || sc.o.headed)
	}
	return nil
}

// add counts a record.
func (sc *scan) add(f *frame) {
	sc.records++
	sc.next = f.position + 1
	if sc.r.isSettled(f.position) {
		if n := len(sc.settled); n > 0 && sc.settled[n-1].to == f.position {
			sc.settled[n-1].to++
		} else {
			sc.settled = append(sc.settled, span{f.position, f.position + 1})
		}
		return
	}
	if f.kind() == engine.Report {
		sc.reports++
	}
	if f.batch != sc.noted {
		sc.noted = f.batch
		sc.r.receive(f)
	}
}

// cut finds the hole that a crash has left in the last batch, if it has. What comes
// behind it was never synced, and nobody was told that it is spooled. It must not be
// handed on: it would overtake what was in the hole, and is sent again.
func (sc *scan) cut() {
	for i, h := range sc.holes {
		if h.lost.from < sc.batch {
			continue // all batches before the last one were synced
		}
		sc.dropped = sc.records - h.before.records
		n := len(h.before.settled)
		sc.tally, sc.end, sc.holes = h.before, h.off, sc.holes[:i]
		if n > 0 {
			sc.settled[n-1].to = min(sc.settled[n-1].to, sc.next)
		}
		return
	}
}

// damaged tells of a hole that no crash makes.
func (sc *scan) damaged(h hole) {
	s, n := sc.r.s, h.lost.to-h.lost.from
	s.journal.corrupt += n
	s.log.Error("records of the spool are damaged, and are skipped", "segment", segmentName(sc.o.first),
		"records", n, "settled", sc.r.settled(h.lost), "first", h.lost.from, "offset", h.off, "bytes", h.size)
	s.quarantine(sc.o.f, segmentName(sc.o.first), h.off, h.size)
}

// allZero tells whether a part of a file is nothing but zeros.
func allZero(src io.ReaderAt, from, to int64) (bool, error) {
	b := make([]byte, min(chunk, max(0, to-from)))
	for from < to {
		n, err := src.ReadAt(b[:min(int64(len(b)), to-from)], from)
		for _, c := range b[:n] {
			if c != 0 {
				return false, nil
			}
		}
		from += int64(n)
		if n == 0 && err != nil {
			return false, err
		}
	}
	return true, nil
}

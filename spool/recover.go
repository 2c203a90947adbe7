package spool

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// found is what was found when the spool was opened.
type found struct {
	replayed uint64 // reports that are not settled
	torn     int64
	missing  uint64
}

// A recovery finds out what is in the directory.
type recovery struct {
	s     *Spool
	marks marks
	known bool // marks are those of this spool
	files []*old
	seen  bool   // there was a segment
	next  uint64 // the position after the last one seen
	began time.Time
	d     decoder
}

// An old segment is one that an earlier run wrote.
type old struct {
	first  uint64
	f      file
	size   int64
	id     identity
	headed bool   // its header is valid
	says   uint64 // and says that this is its first position
}

// recover reads what is in the directory, repairs what a crash has left, and makes
// the spool ready to go on.
func (s *Spool) recover() error {
	r := recovery{s: s, next: 1, began: time.Now().UTC()}
	defer r.close()
	if err := r.list(); err != nil {
		return err
	}
	if err := r.readMarks(); err != nil {
		return err
	}
	if err := r.identify(); err != nil {
		return err
	}
	if err := r.rename(); err != nil {
		return err
	}
	for i, o := range r.files {
		if err := r.read(o, i == len(r.files)-1); err != nil {
			return fmt.Errorf("read %s: %w", segmentName(o.first), err)
		}
	}
	if r.known && r.marks.next > r.next {
		r.gap(span{r.next, r.marks.next})
		r.next = r.marks.next
	}
	s.next, s.begin, s.journal.next = r.next, r.next, r.next
	s.journal.receipts.cut(r.next) // of what is cut off
	if err := s.keeper.rewrite(); err != nil {
		return fmt.Errorf("write %s: %w", marksName, err)
	}
	if err := s.keeper.release(s.journal.releasable(false), false); err != nil {
		return err
	}
	if s.found.replayed > 0 || len(r.files) > 0 {
		s.log.Info("spool opened", "segments", len(s.journal.segs), "left", s.found.replayed, "corrupt", s.journal.corrupt)
	}
	return nil
}

func (r *recovery) close() {
	for _, o := range r.files {
		if o.f != nil {
			_ = o.f.Close()
		}
	}
}

// list opens the segments. What is not the spool's is left alone.
func (r *recovery) list() error {
	names, err := r.s.fs.list()
	if err != nil {
		return err
	}
	for _, name := range names {
		first, ok := parseSegmentName(name)
		switch {
		case ok:
			r.files = append(r.files, &old{first: first})
		case name == marksTmpName: // of a crash; the other one is still right
			if err := r.s.fs.remove(name); err != nil {
				return err
			}
		case name != marksName && name != lockName && name != quarantineDir:
			r.s.log.Warn("a file in the spool's directory is not the spool's, and is left alone", "file", name)
		}
	}
	for _, o := range r.files {
		if err := r.head(o); err != nil {
			return fmt.Errorf("open %s: %w", segmentName(o.first), err)
		}
	}
	return nil
}

// head reads a segment's header.
func (r *recovery) head(o *old) (err error) {
	if o.f, err = r.s.fs.open(segmentName(o.first)); err != nil {
		return err
	}
	if o.size, err = o.f.Size(); err != nil {
		return err
	}
	b := make([]byte, min(segmentHeadLen, o.size))
	if n, err := o.f.ReadAt(b, 0); n < len(b) {
		return err
	}
	o.id, o.says, o.headed, err = parseSegmentHeader(b)
	if v := (*VersionError)(nil); errors.As(err, &v) {
		v.File = segmentName(o.first)
		return v
	}
	return err
}

// rename gives segments that were renamed their names again.
func (r *recovery) rename() error {
	for _, o := range r.files {
		if !o.headed || o.id != r.s.id || o.says == o.first {
			continue
		}
		was, is := segmentName(o.first), segmentName(o.says)
		if slices.ContainsFunc(r.files, func(other *old) bool { return other.first == o.says }) {
			return fmt.Errorf("%s and %s are one segment: move one of them away", was, is)
		}
		r.s.log.Error("a segment has been renamed: it gets its name again", "segment", was, "was", is)
		if err := r.s.fs.rename(was, is); err != nil {
			return err
		}
		o.first = o.says
	}
	slices.SortFunc(r.files, func(a, b *old) int { return cmp.Compare(a.first, b.first) })
	return nil
}

// readMarks reads settled.log.
func (r *recovery) readMarks() error {
	f, err := r.s.fs.open(marksName)
	if errors.Is(err, fs.ErrNotExist) {
		if len(r.files) > 0 {
			r.s.log.Error("what is settled is not known, since " + marksName + " is missing: all that the spool holds is handed on again")
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	size, err := f.Size()
	if err != nil {
		return err
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return fmt.Errorf("read %s: %w", marksName, err)
	}
	r.marks, r.known, err = parseMarks(b)
	if v := (*VersionError)(nil); errors.As(err, &v) {
		v.File = marksName
		return v
	}
	if r.marks.cut > 0 {
		r.s.log.Warn("the end of "+marksName+" is not valid, and is cut off: some of what is settled may be handed on again", "bytes", r.marks.cut)
	}
	if !r.known && len(r.files) > 0 {
		r.s.log.Error(marksName + " is damaged: all that the spool holds is handed on again")
		r.s.quarantine(f, marksName, 0, size)
	}
	return nil
}

// identify finds out the spool's identity, which salts its checksums.
func (r *recovery) identify() error {
	votes := make(map[identity]int)
	for _, o := range r.files {
		if o.headed {
			votes[o.id]++
		}
	}
	best := 0
	for id, n := range votes {
		if n > best || n == best && r.known && id == r.marks.id {
			r.s.id, best = id, n
		}
	}
	if len(votes) > 1 {
		r.s.log.Error("segments of another spool are in the directory: their records are not read")
	}
	switch {
	case best > 0 && r.known && r.marks.id != r.s.id:
		r.s.log.Error(marksName + " is that of another spool: all that the spool holds is handed on again")
		r.known, r.marks = false, marks{}
	case best == 0 && r.known:
		r.s.id = r.marks.id
	case best == 0:
		_, _ = rand.Read(r.s.id[:]) // never fails, says its documentation
	}
	r.s.salt = r.s.id.salt()
	return nil
}

// settled counts how much of a span is settled.
func (r *recovery) settled(s span) uint64 {
	if !r.known {
		return 0
	}
	n := uint64(0)
	if s.from < r.marks.floor {
		end := min(s.to, r.marks.floor)
		n, s.from = end-s.from, end
	}
	if s.from < s.to {
		n += covered(r.marks.spans, s)
	}
	return n
}

// isSettled tells whether a position is settled.
func (r *recovery) isSettled(position uint64) bool {
	if seedbug.Is("spool-replay-off-by-one") {
		position--
	}
	return r.settled(span{position, position + 1}) == 1
}

// gap looks at positions between segments. Where they are not settled, a segment is
// missing.
func (r *recovery) gap(s span) {
	r.s.journal.gone = merge(append(r.s.journal.gone, s)) // it is told of once
	lost := s.to - s.from - r.settled(s)
	if lost == 0 {
		return
	}
	r.s.found.missing += lost
	r.s.log.Error("a segment is missing: messages of the spool are lost", "first", s.from, "last", s.to-1, "records", lost)
}

// read reads a segment to its end, repairs that, and adds the segment to the journal.
func (r *recovery) read(o *old, last bool) error {
	sc := scan{r: r, o: o, tally: tally{next: max(o.first, r.next)}}
	if err := sc.all(last); err != nil {
		return err
	}
	if from, to := max(r.next, r.marks.floor), max(o.first, r.marks.floor); from < to && (r.known || r.seen) {
		r.gap(span{from, to})
	}
	r.seen = true
	r.next = max(r.next, sc.next)
	if sc.records == 0 && !sc.sealed {
		return r.drop(o, &sc)
	}
	if sc.end < o.size || !sc.sealed {
		if err := r.repair(o, &sc, last); err != nil {
			return err
		}
	}
	seg := &segment{
		first: o.first, next: sc.next, end: sc.end, size: sc.size,
		sealed: true, records: sc.records,
	}
	for _, h := range sc.holes {
		seg.bad = append(seg.bad, h.lost)
	}
	for _, p := range sc.settled {
		for i := p.from; i < p.to; i++ {
			seg.settle(i)
		}
	}
	r.s.found.replayed += sc.reports
	j := &r.s.journal
	j.segs = append(j.segs, seg)
	j.bytes += seg.size
	j.done = j.done || seg.done()
	return nil
}

// drop deletes a segment that holds nothing: a crash came when it was made. What is
// in it is kept aside, unless it was only allocated.
func (r *recovery) drop(o *old, sc *scan) error {
	if !sc.blank {
		r.s.quarantine(o.f, segmentName(o.first), 0, o.size)
		r.s.found.torn += sc.torn
	}
	if err := r.s.fs.remove(segmentName(o.first)); err != nil {
		return err
	}
	return r.s.fs.syncDir()
}

// repair cuts off what is not valid at the end of a segment, and seals it.
func (r *recovery) repair(o *old, sc *scan, last bool) error {
	if sc.torn > 0 {
		r.s.log.Warn("the end of a segment was half-written, and is cut off", "segment", segmentName(o.first),
			"offset", sc.end, "bytes", sc.torn, "records", sc.dropped)
		r.s.found.torn += sc.torn
		if sc.dropped > 0 || !last {
			r.s.quarantine(o.f, segmentName(o.first), sc.end, sc.torn)
		}
	}
	if err := o.f.Truncate(sc.end); err != nil {
		return err
	}
	sc.size = sc.end
	if !sc.sealed {
		seal := appendSeal(nil, sc.next, r.s.salt)
		if _, err := o.f.WriteAt(seal, sc.end); err != nil { // a full disk, say
			r.s.log.Warn("a segment cannot be sealed", "segment", segmentName(o.first), "error", err)
			if err := o.f.Truncate(sc.end); err != nil {
				return err
			}
		} else {
			sc.end += sealLen
			sc.size = sc.end
		}
	}
	if err := o.f.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// receive notes when the message of f was received.
func (r *recovery) receive(f *frame) {
	var m engine.Message
	if _, err := r.d.decode(f, &m); err != nil {
		return
	}
	at := m.Received
	if at.After(r.began) { // by a clock that went ahead
		at = r.began
	}
	r.s.journal.receipts.note(f.position, at, func() uint64 { return 0 })
}

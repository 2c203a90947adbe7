package spool

import (
	"bytes"
	"fmt"
)

// A cursor reads the log in order, as far as it is synced.
type cursor struct {
	s    *Spool
	r    reader
	seg  *segment
	f    file
	next uint64 // the position that is expected
}

// seek goes on reading at a place.
func (c *cursor) seek(at place) error {
	if c.seg != nil && c.seg.first == at.seg {
		end, _, _ := c.s.journal.extent(c.seg)
		c.r.reset(c.r.src, at.off, end)
		c.next = at.position
		return nil
	}
	c.close()
	c.next = at.position
	return c.enter(at.off, at.seg)
}

// enter opens the segment in which the next position is. off is where, if it is the
// segment that begins with first.
func (c *cursor) enter(off int64, first uint64) error {
	seg := c.s.journal.after(c.next)
	if seg == nil {
		return nil
	}
	end, _, _ := c.s.journal.extent(seg)
	c.r.salt = c.s.salt
	begin := int64(segmentHeadLen)
	if seg.mem != nil {
		begin = 0
	}
	if off != 0 && seg.first == first {
		begin = off
	}
	if seg.mem != nil {
		c.r.reset(bytes.NewReader(seg.mem), begin, end)
	} else {
		f, err := c.s.fs.open(segmentName(seg.first))
		if err != nil {
			return fmt.Errorf("open a segment: %w", err)
		}
		c.f = f
		c.r.reset(f, begin, end)
	}
	c.seg = seg
	c.next = max(c.next, seg.first)
	return nil
}

func (c *cursor) close() {
	if c.f != nil {
		_ = c.f.Close() // it was only read
	}
	c.f, c.seg = nil, nil
}

// read gives the next record, if there is one by now.
func (c *cursor) read() (f frame, ok bool, err error) {
	for {
		if c.seg == nil {
			if err := c.enter(0, 0); err != nil || c.seg == nil {
				return f, false, err
			}
		}
		sealed, next := false, uint64(0)
		if c.r.off >= c.r.end {
			c.r.end, next, sealed = c.s.journal.extent(c.seg)
		}
		from := c.r.off
		f, skipped, ok, err := c.r.next()
		switch {
		case err != nil:
			c.r.off = from
			return f, false, fmt.Errorf("read a segment: %w", err)
		case ok && (f.seal || f.position < c.next):
			continue
		case ok:
			if f.position > c.next {
				c.damaged(span{c.next, f.position}, from, skipped)
			}
			c.next = f.position + 1
			return f, true, nil
		case skipped > 0:
			continue // to ask whether there is more
		case !sealed:
			return f, false, nil
		}
		if c.next < next {
			c.damaged(span{c.next, next}, from, skipped)
		}
		c.next = next
		c.close()
	}
}

// damaged tells of records that could be read when they were written, or when the
// spool was opened, and now cannot.
func (c *cursor) damaged(lost span, off, size int64) {
	n := c.s.journal.lose(c.seg, lost)
	if n == 0 {
		return
	}
	c.s.log.Error("records of the spool are damaged, and are skipped", "segment", segmentName(c.seg.first),
		"records", n, "first", lost.from, "offset", off, "bytes", size)
	c.s.quarantine(c.r.src, segmentName(c.seg.first), off, size)
}

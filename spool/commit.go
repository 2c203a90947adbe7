package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
	"unsafe"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// Waits between tries to write.
const (
	retryMin = 10 * time.Millisecond
	retryMax = time.Second
)

var (
	// errFull makes the committer wait for a segment to be deleted.
	errFull = errors.New("the spool has reached its largest size")
	// errGivenUp says that a write failed and that there is no time to try again.
	errGivenUp = errors.New("given up")
)

// spares is how many producers' memory the committer keeps for the next ones.
const spares = 64

// A committer writes what is pending to the log, syncs it, and tells the producers.
type committer struct {
	s       *Spool
	seg     *segment // that is written; nil: none yet
	f       file
	off     int64 // where the next record goes
	touched []*producer
	spare   [][]engine.Message // memory to tell producers with
	warn    trouble
	full    trouble
	syncs   syncTimes
}

// run is the committer's goroutine. At its end everything that was accepted is in
// the journal.
func (c *committer) run() {
	defer poke(c.s.feeder.wake)
	defer c.s.journal.finish()
	spare := &buffer{}
	for {
		b := c.s.takePending(spare)
		if b == nil {
			return
		}
		if rest, from, err := c.commit(b); err != nil {
			c.keepInMemory(b, rest, from)
			return
		}
		b.reset()
		spare = b
	}
}

// commit writes and syncs b. Where that cannot be done it gives what is not on disk.
func (c *committer) commit(b *buffer) (rest []byte, from uint64, err error) {
	rest, from = b.records, b.first
	told := 0
	for len(rest) > 0 {
		if c.seg == nil {
			if err := c.begin(from, firstRecord(rest)); err != nil {
				return rest, from, err
			}
		}
		n, count := fitting(rest, b.count-int(from-b.first), c.seg.size-c.off-sealLen)
		if n > 0 {
			if err := c.write(rest[:n]); err != nil {
				return rest, from, err
			}
			upto := from + uint64(count)
			if seedbug.Is("spool-ack-before-sync") {
				told = c.tell(b, told, upto)
			}
			if err := c.sync(); err != nil {
				return rest, from, err
			}
			// They are told before they are handed on, so that they hear of
			// Spooled before Settled.
			told = c.tell(b, told, upto)
			c.s.journal.publish(c.seg, c.off, count, b.at)
			poke(c.s.feeder.wake)
			rest, from = rest[n:], upto
		}
		if len(rest) > 0 {
			if err := c.seal(); err != nil {
				return rest, from, err
			}
		}
	}
	return nil, from, nil
}

// firstRecord is the length of the first of some records.
func firstRecord(records []byte) int64 { return int64(binary.LittleEndian.Uint32(records[4:])) }

// fitting tells how many bytes, and records, of those that are left fit into room.
func fitting(records []byte, left int, room int64) (n, count int) {
	if int64(len(records)) <= room {
		return len(records), left
	}
	for n < len(records) {
		l := firstRecord(records[n:])
		if int64(n)+l > room {
			break
		}
		n += int(l)
		count++
	}
	return n, count
}

// sync makes what is written durable. Where it fails once, nothing may be believed
// that a later one says: the system may have dropped what it could not write.
func (c *committer) sync() error {
	began := time.Now()
	err := c.f.Sync()
	c.syncs.add(time.Since(began))
	if err != nil && !seedbug.Is("spool-go-on-after-failed-sync") {
		return c.s.fail(fmt.Errorf("sync a segment: %w", err))
	}
	return nil
}

// seal ends a full segment. The seal is written when all before it is synced: so it
// says that what is missing there is no trace of a crash.
func (c *committer) seal() error {
	if err := c.write(appendSeal(nil, c.seg.next, c.s.salt)); err != nil {
		return err
	}
	if err := c.sync(); err != nil {
		return err
	}
	c.close()
	return nil
}

// close closes the segment that is written.
func (c *committer) close() {
	// What was allocated and not needed is given back. Where that fails, only the
	// space is lost.
	size := c.seg.size
	if err := c.f.Truncate(c.off); err == nil {
		size = c.off
	}
	if err := c.f.Close(); err != nil {
		c.s.log.Warn("a segment cannot be closed", "error", err)
	}
	c.s.journal.seal(c.seg, size)
	c.seg, c.f = nil, nil
	poke(c.s.keeper.hurry)
	poke(c.s.keeper.wake)
}

// tell calls Spooled for the notes of b from number told on, up to a position.
func (c *committer) tell(b *buffer, told int, upto uint64) int {
	const many = 256
	for ; told < len(b.notes) && b.notes[told].position < upto; told++ {
		n := &b.notes[told]
		p := n.producer
		if p.spooled == nil {
			c.touched = append(c.touched, p)
			if last := len(c.spare) - 1; last >= 0 {
				p.spooled, c.spare = c.spare[last], c.spare[:last]
			}
		}
		id := b.records[n.id : n.id+int(n.idLen)]
		p.spooled = append(p.spooled, engine.Message{
			Kind: n.kind, ID: unsafe.String(unsafe.SliceData(id), len(id)), Seq: n.seq, Client: n.client,
			Tag: n.tag, Pos: n.position,
		})
		if len(p.spooled) == many {
			p.to.Spooled(p.spooled)
			clear(p.spooled)
			p.spooled = p.spooled[:0]
		}
	}
	for _, p := range c.touched {
		if len(p.spooled) > 0 {
			p.to.Spooled(p.spooled)
			clear(p.spooled)
		}
		if len(c.spare) < spares {
			c.spare = append(c.spare, p.spooled[:0])
		}
		p.spooled = nil // it may have to wait for long, and there may be many like it
	}
	clear(c.touched)
	c.touched = c.touched[:0]
	return told
}

// write appends p to the segment. A write that fails is cut off, and tried again.
func (c *committer) write(p []byte) error {
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		n, err := c.f.WriteAt(p, c.off)
		if err == nil && n == len(p) {
			c.warn.over(c.s.log, "writes succeed again")
			c.off += int64(n)
			return nil
		}
		if err = c.cut(err); err != nil {
			return err
		}
		if err := c.pause(wait); err != nil {
			return err
		}
	}
}

// cut notes that a write failed, and cuts off what it has left.
func (c *committer) cut(failed error) error {
	c.warn.note(c.s.log, "write failed: trying again", failed)
	if err := c.f.Truncate(c.off); err != nil {
		return c.s.fail(fmt.Errorf("cut off a write that failed (%w): %w", failed, err))
	}
	return nil
}

// pause waits before a write is tried again. At the end there is no time for that.
func (c *committer) pause(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.s.closing:
		return errGivenUp
	case <-timer.C:
	case <-c.s.freed:
	}
	return nil
}

// begin makes a segment with room for a record of that length, and waits until that
// can be done. At the end it tries once more, since then the spool may grow beyond its
// largest size.
func (c *committer) begin(first uint64, length int64) error {
	least := segmentHeadLen + length + sealLen
	var ended error
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		err := c.make(first, least)
		switch {
		case err == nil:
			c.warn.over(c.s.log, "writes succeed again")
			c.full.over(c.s.log, "the spool has room again")
			return nil
		case c.s.failure() != nil:
			return err
		case ended != nil:
			return ended
		case errors.Is(err, errFull):
			c.full.note(c.s.log, "the spool is full: senders wait", err)
			wait = retryMax // freed tells
		default:
			c.warn.note(c.s.log, "a segment cannot be made: trying again", err)
		}
		c.s.feeder.noRoom.Store(true)
		poke(c.s.feeder.wake)
		ended = c.pause(wait)
	}
}

// make makes a segment of at least that many bytes.
func (c *committer) make(first uint64, least int64) error {
	s := c.s
	size := max(s.segmentSize, least)
	select {
	case <-s.closing: // what is pending at the end may take more than the most
		size = max(least, min(size, mostPending))
	default:
		if s.journal.used()+size > int64(s.max) {
			return errFull
		}
	}
	name := segmentName(first)
	f, err := s.fs.create(name)
	if errors.Is(err, fs.ErrExist) { // of a try that failed
		if err = s.fs.remove(name); err == nil {
			f, err = s.fs.create(name)
		}
	}
	if err != nil {
		return err
	}
	if size, err = allocate(f, size, least); err == nil {
		_, err = f.WriteAt(segmentHeader(s.id, first), 0)
	}
	if err != nil {
		return errors.Join(err, f.Close(), s.fs.remove(name))
	}
	if err = f.Sync(); err == nil && !seedbug.Is("spool-skip-dir-sync") {
		err = s.fs.syncDir()
	}
	if err != nil {
		return errors.Join(s.fail(fmt.Errorf("sync a new segment: %w", err)), f.Close())
	}
	c.seg = &segment{first: first, next: first, end: segmentHeadLen, size: size}
	c.f, c.off = f, segmentHeadLen
	s.journal.add(c.seg, time.Time{})
	return nil
}

// allocate gives f the space for a segment: less than size where the disk has no
// more.
func allocate(f file, size, least int64) (int64, error) {
	for {
		err := f.Preallocate(size)
		if !errors.Is(err, syscall.ENOSPC) || size/2 < max(least, smallSegment) {
			return size, err
		}
		if err := f.Truncate(0); err != nil { // it may have got a part
			return size, err
		}
		size /= 2
	}
}

// keepInMemory makes what could not be written, and what is accepted besides, a
// segment in memory, so that it is handed on nevertheless. Route has ended.
func (c *committer) keepInMemory(b *buffer, rest []byte, from uint64) {
	if c.seg != nil {
		c.s.journal.seal(c.seg, c.seg.size)
		_ = c.f.Close()
		c.seg, c.f = nil, nil
	}
	mem, count := rest, 0
	if next := c.s.takeLast(); next.count > 0 {
		mem = append(mem, next.records...)
	}
	for at := 0; at < len(mem); count++ {
		at += int(firstRecord(mem[at:]))
	}
	c.s.journal.add(&segment{
		first: from, next: from + uint64(count), end: int64(len(mem)), records: count,
		mem: mem, sealed: true,
	}, b.at)
}

// finish seals the segment that is written. Nothing is lost where it fails.
func (c *committer) finish() error {
	if c.seg == nil {
		return nil
	}
	if c.s.failure() != nil {
		return c.f.Close()
	}
	seal := appendSeal(nil, c.seg.next, c.s.salt)
	n, err := c.f.WriteAt(seal, c.off)
	if err != nil { // the next run takes its end for one that a crash has left
		c.s.log.Warn("a segment cannot be sealed", "error", err)
		return errors.Join(c.f.Truncate(c.off), c.f.Close())
	}
	c.off += int64(n)
	err = c.f.Sync()
	c.close()
	return err
}

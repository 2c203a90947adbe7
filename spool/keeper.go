package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/ingestd/ingestd/internal/seedbug"
)

// saveEvery is how long a settled position may be in memory only. After a crash of
// the process, what was settled in that time is handed on again.
const saveEvery = 50 * time.Millisecond

// A keeper keeps settled.log, and deletes the segments of which all is settled.
type keeper struct {
	s     *Spool
	f     file
	off   int64  // where the next block goes
	large int64  // the file is not written anew before it is larger
	base  int64  // how large the file was when it was written anew
	next  uint64 // what its header says of the log's end
	last  salt   // the CRC of the last block
	block []byte // what is to be written at off
	sets  []set  // and after that
	dirty bool   // something is written and not synced
	wake  chan struct{}
	hurry chan struct{}
	warn  trouble
}

// poke wakes the keeper.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run is the keeper's goroutine.
func (k *keeper) run(stop <-chan struct{}) {
	timer := time.NewTimer(saveEvery)
	defer timer.Stop()
	for {
		select {
		case <-k.wake:
		case <-stop:
			return
		}
		timer.Reset(saveEvery)
		select {
		case <-timer.C:
		case <-k.hurry:
		case <-stop:
			return
		}
		if err := k.work(); err != nil {
			k.warn.note(k.s.log, "settled positions are not saved: trying again", err)
			poke(k.wake)
		} else {
			k.warn.over(k.s.log, "settled positions are saved again")
		}
	}
}

// work saves what is settled, and deletes what is not needed any more. An error is
// one that may pass; another makes the spool fail.
func (k *keeper) work() error {
	if k.s.failure() != nil {
		return nil // what the disk says it has synced is not to be trusted
	}
	// What settled these is noted by now. It is saved before they are deleted, and
	// what is settled meanwhile is the next round's.
	segs := k.s.journal.releasable(false)
	failed := k.save()
	if failed != nil {
		segs = k.s.journal.releasable(true)
	}
	if err := k.release(segs, failed != nil); err != nil {
		return errors.Join(failed, err)
	}
	if failed == nil && k.off > k.large && k.off > 4*k.base {
		return k.rewrite()
	}
	return failed
}

// save writes what is settled. What could not be written before comes first.
func (k *keeper) save() error {
	for taken := false; ; {
		if err := k.write(); err != nil {
			return err
		}
		if len(k.sets) == 0 && !taken {
			k.sets, taken = k.s.journal.take(), true
		}
		if len(k.sets) == 0 {
			return nil
		}
		k.block, k.last = appendBlocks(k.block, k.sets[0].spans, k.last)
		k.sets = k.sets[1:]
	}
}

// write writes the block that is due.
func (k *keeper) write() error {
	if len(k.block) == 0 {
		return nil
	}
	k.dirty = true
	// A block that is written in part is not valid, and is written again.
	if _, err := k.f.WriteAt(k.block, k.off); err != nil {
		return fmt.Errorf("write %s: %w", marksName, err)
	}
	k.off += int64(len(k.block))
	k.block = k.block[:0]
	return nil
}

// sync makes what is saved durable.
func (k *keeper) sync() error {
	if !k.dirty || seedbug.Is("spool-delete-before-marks-sync") {
		return nil
	}
	if err := k.f.Sync(); err != nil {
		return k.s.fail(fmt.Errorf("sync %s: %w", marksName, err))
	}
	k.dirty = false
	return nil
}

// release deletes segments. That they are settled is made durable before: what is
// handed on after a crash must not have holes. Where it cannot be saved, because the
// disk is full for instance, the oldest segments may be deleted nevertheless, one
// after the other: that all before is settled takes no room to say.
func (k *keeper) release(segs []*segment, unsaved bool) error {
	if len(segs) == 0 {
		return nil
	}
	if !unsaved {
		if err := k.sync(); err != nil {
			return err
		}
	}
	for i, seg := range segs {
		if unsaved {
			if err := k.raise(k.s.journal.without(seg)); err != nil {
				return err
			}
		}
		if err := k.s.fs.remove(segmentName(seg.first)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete a segment: %w", err)
		}
		if unsaved || i == len(segs)-1 {
			if err := k.s.fs.syncDir(); err != nil {
				return k.s.fail(fmt.Errorf("sync the directory: %w", err))
			}
		}
		k.s.journal.forget(seg)
	}
	poke(k.s.freed)
	return nil
}

// raise makes durable in the header that all below floor is settled. One copy is synced
// before the other is written, so one of them is always valid. A file system that needs
// room even for that may refuse: then what is deleted is missed after a crash.
func (k *keeper) raise(floor uint64) error {
	b := marksHeader(k.s.id, floor, k.next)
	for half, at := len(b)/2, len(b)/2; at >= 0; at -= half {
		if _, err := k.f.WriteAt(b[at:at+half], int64(at)); err != nil {
			k.s.log.Warn("segments are deleted that may be missed after a crash", "error", err)
			break
		}
		k.dirty = true
		if err := k.sync(); err != nil {
			return err
		}
	}
	return nil
}

// rewrite writes the file anew, without what is not needed any more.
func (k *keeper) rewrite() error {
	floor, next, gone, sets := k.s.journal.snapshot()
	if err := k.s.fs.remove(marksTmpName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := k.s.fs.create(marksTmpName)
	if err != nil {
		return err
	}
	b, last := appendBlocks(marksHeader(k.s.id, floor, next), slices.Values(gone), k.s.salt)
	off := int64(0)
	for {
		if _, err := f.WriteAt(b, off); err != nil {
			return errors.Join(fmt.Errorf("write %s: %w", marksTmpName, err), f.Close())
		}
		off += int64(len(b))
		b = b[:0]
		for ; len(sets) > 0 && len(b) < maxBlock; sets = sets[1:] {
			b, last = appendBlocks(b, sets[0].spans, last)
		}
		if len(b) == 0 {
			break
		}
	}
	if err := f.Sync(); err != nil {
		return errors.Join(k.s.fail(fmt.Errorf("sync %s: %w", marksTmpName, err)), f.Close())
	}
	if err := k.s.fs.rename(marksTmpName, marksName); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := k.s.fs.syncDir(); err != nil {
		return errors.Join(k.s.fail(fmt.Errorf("sync the directory: %w", err)), f.Close())
	}
	if k.f != nil {
		err = k.f.Close()
	}
	k.f, k.off, k.base, k.next, k.last = f, off, off, next, last
	k.block, k.sets, k.dirty = k.block[:0], nil, false
	return err
}

// finish saves all at the end, and where the log ends, so that a tail that is lost
// later is missed. Where it fails, more is handed on again than need be.
func (k *keeper) finish() {
	if k.s.failure() != nil {
		return
	}
	err := k.work()
	if err == nil {
		err = k.rewrite()
	}
	if err != nil {
		k.s.log.Warn("settled positions are not saved: what is settled may be handed on again", "error", err)
	}
}

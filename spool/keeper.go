package spool

import (
	"errors"
	"fmt"
	"io/fs"
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
	last  salt   // the CRC of the last block
	block []byte // what is to be written at off
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

// save writes what is settled.
func (k *keeper) save() error {
	if spans := k.s.journal.take(); len(spans) > 0 {
		k.block, k.last = appendBlocks(k.block, merge(spans), k.last)
	}
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
// after the other.
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

// rewrite writes the file anew, without what is not needed any more.
func (k *keeper) rewrite() error {
	floor, next, spans := k.s.journal.snapshot()
	b := marksHeader(k.s.id, floor, next)
	b, last := appendBlocks(b, spans, k.s.salt)
	if err := k.s.fs.remove(marksTmpName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := k.s.fs.create(marksTmpName)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", marksTmpName, err), f.Close())
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
	k.f, k.off, k.base, k.last = f, int64(len(b)), int64(len(b)), last
	k.block, k.dirty = k.block[:0], false
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

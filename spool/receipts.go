package spool

import (
	"slices"
	"time"
)

const (
	mostReceipts = 256
	receiptEvery = time.Second // at most
)

// A receipt says when the message at a position was received.
type receipt struct {
	position uint64
	at       time.Time
}

// Receipts tell about when messages were received that are not settled: those of a
// second, or of a 64th of the longest wait, are taken for one. So they are few
// however much waits, and none is noted but the first of a write.
type receipts struct {
	list   []receipt // in order of positions
	looked time.Time // when note did more than look at the time
}

// note notes that the message at a position was received at a time, and those after
// it not before. floor is asked for the first position that is not settled.
func (r *receipts) note(position uint64, at time.Time, floor func() uint64) {
	if len(r.list) > 0 {
		if within(r.looked, at, receiptEvery) {
			return
		}
		r.forget(floor())
	}
	r.looked = at
	gap := receiptEvery
	if n := len(r.list); n > 0 {
		gap = max(gap, at.Sub(r.list[0].at)/(mostReceipts/2))
		if within(r.list[n-1].at, at, gap) {
			return
		}
	}
	for len(r.list) >= mostReceipts {
		r.thin(gap)
		gap *= 2
	}
	r.list = append(r.list, receipt{position, at})
}

// within tells whether at is less than gap after last. Where the clock was set back
// it is not.
func within(last, at time.Time, gap time.Duration) bool {
	passed := at.Sub(last)
	return passed >= 0 && passed < gap
}

// forget drops what is not needed to tell of positions from floor on.
func (r *receipts) forget(floor uint64) {
	if i := r.find(floor); i > 0 {
		r.list = slices.Delete(r.list, 0, i)
	}
}

// thin drops those that are less than gap after the one before them.
func (r *receipts) thin(gap time.Duration) {
	last := r.list[0].at
	r.list = append(r.list[:1], slices.DeleteFunc(r.list[1:], func(e receipt) bool {
		if e.at.Sub(last) < gap {
			return true
		}
		last = e.at
		return false
	})...)
}

// cut drops those from a position on.
func (r *receipts) cut(position uint64) {
	i, _ := slices.BinarySearchFunc(r.list, position, byPosition)
	r.list = r.list[:i]
}

// find gives the last that is not after a position, or the first one.
func (r *receipts) find(position uint64) int {
	i, ok := slices.BinarySearchFunc(r.list, position, byPosition)
	if !ok && i > 0 {
		i--
	}
	return i
}

// of tells about when the message at a position was received. It is not later than
// that; unless nothing is known of it, as where its record is damaged.
func (r *receipts) of(position uint64) time.Time {
	if len(r.list) == 0 {
		return time.Time{}
	}
	return r.list[r.find(position)].at
}

func byPosition(e receipt, position uint64) int {
	switch {
	case e.position < position:
		return -1
	case e.position > position:
		return 1
	}
	return 0
}

package engine

import (
	"context"
	"sync"
	"time"
)

// A Lease is the right to store messages, which can be lost: those of a part of a
// log, say, that another process may take over. A message with a lease
// ([Message.Lease]) is written only while that is held. Otherwise it is settled with
// [ErrFenced], in its place in the order of its stream, and is nobody's: it is no
// dead letter, and a drain keeps it in no file. A Write that is under way when a
// lease of its messages is lost has its context ended; what it stored nevertheless is
// found by its key.
//
// A lease is lost when its time is over, by the monotonic or by the system's clock,
// whichever is first: the one does not count the time for which a machine sleeps, the
// other can be set back. Once lost it is lost for good.
//
// A lease cannot call back what the sink has begun to commit. So whoever may take
// over has to wait for a while after it is over.
//
// Its methods are safe for concurrent use. A nil *Lease is held for ever.
type Lease struct {
	lost context.Context // ends when the lease is lost
	lose context.CancelFunc

	mu    sync.Mutex
	until time.Time // by the monotonic clock
	wall  time.Time // by the system's clock
	timer *time.Timer
}

// NewLease gives a lease that is held for ttl from now on.
func NewLease(ttl time.Duration) *Lease {
	l := new(Lease)
	l.lost, l.lose = context.WithCancel(context.Background())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(time.Now().Add(ttl))
	l.timer = time.AfterFunc(ttl, func() { l.Held() })
	return l
}

// set has l held until t, which time.Now made. l.mu is held.
func (l *Lease) set(t time.Time) { l.until, l.wall = t, t.Round(0) }

// Extend has l held until ttl after sent, a time that [time.Now] gave: when the request
// was sent that renewed the right. It never shortens a lease, and a lease that was lost
// stays lost.
func (l *Lease) Extend(sent time.Time, ttl time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := sent.Add(ttl)
	if l.over() || !until.After(l.until) {
		return
	}
	l.set(until)
	l.timer.Reset(time.Until(until))
}

// Lose has l lost now.
func (l *Lease) Lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer.Stop()
	l.lose()
}

// Held tells whether l is held.
func (l *Lease) Held() bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.over()
}

// isLost tells whether it is known that l is lost.
func (l *Lease) isLost() bool { return l != nil && l.lost.Err() != nil }

// over tells whether l is lost, or its time is over; then it is lost from now on.
// l.mu is held.
func (l *Lease) over() bool {
	if l.isLost() {
		return true
	}
	now := time.Now()
	if now.Before(l.until) && now.Round(0).Before(l.wall) {
		return false
	}
	l.timer.Stop()
	l.lose()
	return true
}

// Lost is closed once l is lost. Where the system's clock jumped, it is closed by the
// next call of Held or Extend.
func (l *Lease) Lost() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.lost.Done()
}

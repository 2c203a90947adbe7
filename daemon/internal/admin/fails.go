package admin

import (
	"net/netip"
	"sync"
	"time"
)

// An address may be wrong so often at once, and once more each failEvery.
const (
	failBurst = 10
	failEvery = 6 * time.Second
	failsKept = 4096 // addresses; past it, all others count as one
)

// fails bounds how often tokens can be guessed, by address.
type fails struct {
	mu sync.Mutex
	by map[netip.Addr]time.Time // when its last failure would be forgiven
}

// wait tells how long an address has to wait; 0: it need not.
func (f *fails) wait(remote string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	until, failed := f.by[f.key(remote, now)]
	if !failed {
		return 0
	}
	return max(0, until.Sub(now)-(failBurst-1)*failEvery)
}

// add notes a failure.
func (f *fails) add(remote string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := f.key(remote, now)
	until := f.by[key]
	if until.Before(now) {
		until = now
	}
	f.by[key] = until.Add(failEvery)
}

// key is what an address is counted by: a network of 64 bits where it is of IPv6.
func (f *fails) key(remote string, now time.Time) netip.Addr {
	if f.by == nil {
		f.by = make(map[netip.Addr]time.Time)
	}
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	a := at.Addr().Unmap()
	if a.Is6() {
		p, _ := a.WithZone("").Prefix(64)
		a = p.Addr()
	}
	if _, known := f.by[a]; known || len(f.by) < failsKept {
		return a
	}
	for a, until := range f.by { // those that are forgiven
		if until.Before(now) {
			delete(f.by, a)
		}
	}
	if len(f.by) < failsKept {
		return a
	}
	return netip.Addr{}
}

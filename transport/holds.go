package transport

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Holds knows which streams have senders that are connected, so that a stream is
// ended when the last of them is gone. One is shared by all transports whose
// clients may send to the same streams. It is safe for concurrent use.
type Holds struct {
	seed   maphash.Seed
	shards [holdShards]holdShard
}

const holdShards = 64

type holdShard struct {
	mu sync.Mutex
	m  map[string]*hold
	_  [40]byte // a cache line for each
}

// hold is one stream that has senders, or had some until a moment ago.
//
// open says that a report came after the last done. A sender of a report sets it
// after Route has accepted that, and holds the stream until then; a sender of a
// done clears it before Route. So whichever of the two the router takes last, a
// stream that is open is never taken for done; one that is done may, where two
// connections race, be taken for open. A report that is refused opens nothing.
type hold struct {
	id   string
	open atomic.Bool

	// Guarded by the shard's lock.
	refs   int
	gen    uint64        // counts the takings: tells whether anyone came meanwhile
	ending chan struct{} // not nil while the end is being routed; closed after
}

// NewHolds makes a registry that is empty.
func NewHolds() *Holds { return &Holds{seed: maphash.MakeSeed()} }

func (h *Holds) shard(id string) *holdShard {
	return &h.shards[maphash.String(h.seed, id)%holdShards]
}

// take adds a sender to the stream id, which it keeps. While the stream is being
// ended it waits, so that what the sender routes comes after the end.
func (h *Holds) take(id string) *hold {
	s := h.shard(id)
	for {
		s.mu.Lock()
		x := s.m[id]
		if x == nil {
			if s.m == nil {
				s.m = make(map[string]*hold)
			}
			x = &hold{id: id}
			s.m[id] = x
		}
		ending := x.ending
		if ending == nil {
			x.refs++
			x.gen++
			s.mu.Unlock()
			return x
		}
		s.mu.Unlock()
		<-ending
	}
}

// drop takes a sender away and ends nothing.
func (h *Holds) drop(x *hold) {
	s := h.shard(x.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.refs--; x.refs == 0 {
		delete(s.m, x.id)
	}
}

// leave takes away a sender that is gone. last tells that it was the only one of
// a stream that is open: then the caller must end or abandon it, with gen.
func (h *Holds) leave(x *hold) (gen uint64, last bool) {
	s := h.shard(x.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.refs--; x.refs > 0 {
		return 0, false
	}
	if !x.open.Load() {
		delete(s.m, x.id)
		return 0, false
	}
	return x.gen, true
}

// end calls route, unless a sender has come since leave gave gen. Nobody can
// become a sender while route runs.
func (h *Holds) end(x *hold, gen uint64, route func(id string)) {
	s := h.shard(x.id)
	s.mu.Lock()
	if x.refs > 0 || x.gen != gen {
		s.mu.Unlock()
		return
	}
	x.ending = make(chan struct{})
	s.mu.Unlock()

	defer func() {
		s.mu.Lock()
		delete(s.m, x.id)
		s.mu.Unlock()
		close(x.ending)
	}()
	route(x.id)
}

// abandon forgets the stream, unless a sender has come since leave gave gen.
func (h *Holds) abandon(x *hold, gen uint64) {
	s := h.shard(x.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.refs == 0 && x.gen == gen {
		delete(s.m, x.id)
	}
}

// len is how many streams are held.
func (h *Holds) len() int {
	n := 0
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.Lock()
		n += len(s.m)
		s.mu.Unlock()
	}
	return n
}

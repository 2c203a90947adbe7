package transport

import "strings"

// maxStreams is how many streams a connection remembers, beyond those that have
// messages outstanding.
const maxStreams = 1 << 16

// stream is what a connection knows of one of its streams. Its fields are
// guarded by the connection's lock, but hold, which only the connection's own
// goroutine changes while the stream is pinned by an outstanding message.
type stream struct {
	id          string
	hold        *hold
	prev, next  *stream // in the list of idle ones, where outstanding is 0
	gap         int64   // the number that was refused with retry; 0: none
	gapCode     string  // and the code it was refused with
	acking      int64   // 1 + the number of its ack in the queue, if that may be raised
	outstanding int32   // messages that are not settled
	numeric     bool    // its client last wrote the id as a number
}

func (s *stream) wireID() wireID { return wireID{s.id, s.numeric} }

// table is a connection's streams. Those without outstanding messages are in a
// list, longest idle first; past max the first is forgotten. So memory is bounded by
// max and by what may be pending, or by most where there is one. To forget a stream
// drops its hold, without an end, and its gap.
type table struct {
	m     map[string]*stream
	idle  stream // the list's head and tail
	busy  int    // those that have messages outstanding
	max   int
	most  int // of busy; 0: any number
	holds *Holds
}

func newTable(holds *Holds, most int) table {
	return table{max: maxStreams, most: most, holds: holds}
}

// full tells whether there is no place for a message of the stream id: as many
// others as may have messages outstanding do.
func (t *table) full(id string) bool {
	if t.most == 0 || t.busy < t.most {
		return false
	}
	s := t.m[id]
	return s == nil || s.outstanding == 0
}

// pin finds or makes the stream id and counts one message as outstanding.
func (t *table) pin(id string) *stream {
	s := t.m[id]
	if s == nil {
		if t.m == nil {
			t.m = make(map[string]*stream)
		}
		s = &stream{id: strings.Clone(id)}
		t.m[s.id] = s
		t.trim()
	} else if s.outstanding == 0 {
		s.prev.next, s.next.prev = s.next, s.prev
		s.prev, s.next = nil, nil
	}
	if s.outstanding++; s.outstanding == 1 {
		t.busy++
	}
	return s
}

// settle takes n of the outstanding messages of s away.
func (t *table) settle(s *stream, n int) {
	if s.outstanding -= int32(n); s.outstanding > 0 {
		return
	}
	t.busy--
	if t.idle.next == nil {
		t.idle.prev, t.idle.next = &t.idle, &t.idle
	}
	s.prev, s.next = t.idle.prev, &t.idle
	s.prev.next, s.next.prev = s, s
	t.trim()
}

func (t *table) trim() {
	for len(t.m) > t.max && t.idle.next != nil && t.idle.next != &t.idle {
		s := t.idle.next
		s.prev.next, s.next.prev = s.next, s.prev
		s.prev, s.next = nil, nil
		delete(t.m, s.id)
		if s.hold != nil {
			t.holds.drop(s.hold)
		}
	}
}

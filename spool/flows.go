package spool

import (
	"sync"

	"github.com/ingestd/ingestd/engine"
)

// A place is where a record is in the log.
type place struct {
	position uint64
	seg      uint64 // the first position of its segment
	off      int64
}

// A flow is what is known of a stream that has messages in next, or is parked.
type flow struct {
	id    string
	count int   // messages in next
	cost  int64 // and what they count

	// A parked stream has its share in next. Its records from a place on are left
	// on disk, until a sweep hands them on.
	parked bool
	from   place // the first that was left
	need   int64 // what it counts
	held   bool  // next has refused that one: it waits for other limits
	joined bool  // the sweep under way hands its records on
	missed uint64

	flushing bool // next was told to store what it has

	idle       bool
	prev, next *flow // in the list of idle ones
}

// flows are the streams that have messages in next, those that are parked, and a few
// that were lately live, so that a steady stream costs no memory of its own.
type flows struct {
	mu     sync.Mutex // guards what follows
	of     map[string]*flow
	parked map[*flow]struct{}
	live   int  // that have messages in next
	joined int  // parked ones that the sweep hands on
	notify bool // the feeder waits for any to be settled
	share  int64
	oldest *flow // idle ones
	newest *flow
	idle   int
}

func (t *flows) init() {
	t.of = make(map[string]*flow)
	t.parked = make(map[*flow]struct{})
}

// make makes the flow of a stream.
func (t *flows) make(id []byte) *flow {
	f := &flow{id: string(id)}
	t.of[f.id] = f
	return f
}

// fits tells whether f has room for what counts c.
func (t *flows) fits(f *flow, c int64) bool { return f.cost == 0 || f.cost+c <= t.share }

// ready tells whether a sweep has something to do for a parked f.
func (t *flows) ready(f *flow) bool {
	return !f.held && (f.cost == 0 || f.cost <= t.share/2 && f.cost+f.need <= t.share)
}

// park leaves the records of f on disk, from one on that counts c.
func (t *flows) park(f *flow, at place, c int64) {
	f.parked, f.from, f.need = true, at, c
	t.leave(f)
	t.parked[f] = struct{}{}
}

// leave takes f out of the sweep.
func (t *flows) leave(f *flow) {
	if f.joined {
		f.joined = false
		t.joined--
	}
}

// begin counts a message that is handed on.
func (t *flows) begin(f *flow, c int64) {
	t.unlist(f)
	if f.count == 0 {
		t.live++
	}
	f.count++
	f.cost += c
}

// end counts messages that are settled, or were not handed on after all.
func (t *flows) end(f *flow, n int, c int64) {
	f.count -= n
	f.cost -= c
	if f.count == 0 {
		t.live--
		t.rest(f)
	}
}

// rest remembers f for a while, where nothing of it is in next or left on disk.
func (t *flows) rest(f *flow) {
	const most = 4096
	if f.count > 0 || f.parked || f.idle {
		return
	}
	f.idle, f.prev = true, t.newest
	if t.newest != nil {
		t.newest.next = f
	} else {
		t.oldest = f
	}
	t.newest = f
	if t.idle++; t.idle > most {
		old := t.oldest
		t.unlist(old)
		delete(t.of, old.id)
	}
}

func (t *flows) unlist(f *flow) {
	if !f.idle {
		return
	}
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		t.oldest = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	} else {
		t.newest = f.prev
	}
	f.idle, f.prev, f.next = false, nil, nil
	t.idle--
}

// settled notes that ms, of one stream, are not in next any more. It tells whether
// the feeder can go on with something.
func (t *flows) settled(ms []engine.Message) (wake bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, j := 0, 0; i < len(ms); i = j {
		c, flushed := int64(0), false
		for j = i; j < len(ms) && ms[j].ID == ms[i].ID; j++ {
			c += cost(&ms[j])
			flushed = flushed || ms[j].Kind == engine.Flush && ms[j].Pos == 0
		}
		if f := t.of[ms[i].ID]; f != nil {
			f.flushing = f.flushing && !flushed
			t.end(f, j-i, c)
			wake = wake || f.parked && !f.joined && t.ready(f)
		}
	}
	wake = wake || t.notify
	t.notify = false
	return wake
}

// flushable gives the streams that have messages in next which it was not told to
// store, and counts a flush for each.
func (t *flows) flushable() (fs []*flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.of {
		if f.count > 0 && !f.flushing {
			f.flushing = true
			t.begin(f, overhead)
			fs = append(fs, f)
		}
	}
	return fs
}

// crowded tells whether more streams have messages in next than may have.
func (t *flows) crowded(most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.live > most
}

// target gives the first place that a sweep has to go on from.
func (t *flows) target() (at place, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range t.parked {
		if t.ready(f) && (!ok || f.from.position < at.position) {
			at, ok = f.from, true
		}
	}
	return at, ok
}

// unpark ends the sweep that began at start, and has caught up with main: nothing is
// left of the streams that were in it.
func (t *flows) unpark(start, sweeps uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range t.parked {
		if f.joined || f.joins(start, sweeps) {
			t.leave(f)
			f.parked = false
			delete(t.parked, f)
			t.rest(f)
		}
	}
}

// sweeping tells whether a sweep hands on anything.
func (t *flows) sweeping() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.joined > 0
}

// unheld tells whether a stream is parked that waits for nothing but its share.
func (t *flows) unheld() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range t.parked {
		if !f.held {
			return true
		}
	}
	return false
}

func (t *flows) parkedCount() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.parked)
}

// limit changes the share. Streams that were held may go on now.
func (t *flows) limit(share int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.share = share
	for f := range t.parked {
		f.held = false
	}
}

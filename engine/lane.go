package engine

// A lane is what the engine holds of one live stream: a queue of accepted
// messages, ready ones first, then those of the open batch. It is guarded by its
// shard's lock.
//
// A lane is collecting (it has an open batch), delivering (it has messages that are
// ready, or on their way to Settled), both, or idle (neither).
type lane struct {
	id     string
	shard  *shard
	writer *writer

	head, tail *node // the queue
	queued     int   // how many are in it
	ready      int   // how many of them are ready: the first ones

	// Busiest looks at these of every lane: they are together, since what it costs is
	// to fetch them.
	delivering bool   // see above
	state      state  // of what is delivering
	pending    uint32 // messages that are not settled
	accepted   uint64 // messages, since the lane was made
	shown      uint64 // how many of them Busiest has counted
	since      int64  // when the open batch got its first message, or the lane got idle

	openCount int   // messages in the open batch
	openData  int64 // bytes of their data
	openCost  int64 // what they count against MaxPending
	cost      int64 // what all unsettled messages of the stream count

	list       *laneList
	prev, next *lane
	behind     *lane // the next in a laneLine

	freed chan struct{} // closed when cost has fallen; nil: nobody waits for that
}

// wakeSenders lets those try again who wait for the stream's share.
func (l *lane) wakeSenders() {
	if l.freed != nil {
		close(l.freed)
		l.freed = nil
	}
}

// push appends n to the open batch.
func (l *lane) push(n *node) {
	n.ID = l.id
	if l.tail == nil {
		l.head = n
	} else {
		l.tail.next = n
	}
	l.tail = n
	l.queued++
}

// pop takes the first ready message, or gives nil.
func (l *lane) pop() *node {
	if l.ready == 0 {
		return nil
	}
	n := l.head
	l.ready--
	l.queued--
	l.head = n.next
	if l.head == nil {
		l.tail = nil
	}
	n.next = nil
	return n
}

// A laneList is a first-in first-out queue of lanes; a lane is in one at most.
// The shards have one of the collecting lanes by the age of their open batch, and
// one of the idle lanes. Since linger and idle timeout are the same for all lanes,
// whoever came first is due first, and no lane needs a timer.
type laneList struct{ front, back *lane }

func (q *laneList) push(l *lane) {
	l.list, l.prev = q, q.back
	if q.back == nil {
		q.front = l
	} else {
		q.back.next = l
	}
	q.back = l
}

// remove takes l out of the list it is in, if any.
func (l *lane) remove() {
	q := l.list
	if q == nil {
		return
	}
	if l.prev == nil {
		q.front = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		q.back = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.list, l.prev, l.next = nil, nil, nil
}

package engine

import (
	"hash/maphash"
	"strings"
	"sync"

	"github.com/ingestd/ingestd/internal/tally"
)

// shardCount is a power of two, well above the number of cores that this runs on,
// so that two senders seldom want the same lock.
const shardCount = 64

// A shard is a part of the table of lanes, with one lock for all of it. The lock
// is held for a few dozen instructions at a time; never across a channel
// operation that can block, a write, or a callback.
type shard struct {
	engine *Engine

	mu         sync.Mutex
	closed     bool // a drain has begun: nothing more is accepted
	lanes      map[string]*lane
	most       int // lanes since the map was made: tells when a new one is due
	collecting laneList
	idle       laneList
	lastSeq    int64 // the last number given; lanes come and go, so it is kept here
	stats      Stats // the counters of messages, lanes and flushes only

	storedAfter tally.Tally // see Stats
	batches     tally.Tally

	troubles map[*lane]error // what keeps those from being stored that are retrying
}

// shardOf finds the shard and the writer of a stream.
func (e *Engine) shardOf(id string) (*shard, *writer) {
	h := maphash.String(e.seed, id)
	return &e.shards[h%shardCount], e.writers[(h>>32)%uint64(len(e.writers))]
}

// make makes the lane of a new stream. id is copied.
func (s *shard) make(id string, w *writer) *lane {
	l := &lane{id: strings.Clone(id), shard: s, writer: w}
	s.lanes[l.id] = l
	s.most = max(s.most, len(s.lanes))
	s.stats.Made++
	return l
}

// retire forgets an idle lane.
func (s *shard) retire(l *lane) {
	l.remove()
	delete(s.lanes, l.id)
	delete(s.troubles, l)
	s.stats.Retired++
	s.engine.streams.Add(-1)
	if len(s.lanes) == 0 && s.most > 1024 {
		s.lanes, s.most = make(map[string]*lane), 0 // Go's maps never shrink
	}
}

// add appends n to the lane's open batch, and closes the batch if it is full.
func (s *shard) add(l *lane, n *node, now int64, o *Options) {
	l.push(n)
	if n.Kind != Report {
		s.close(l, flushesBy(n.Kind, &s.stats.Flushes))
		return
	}
	c := cost(&n.Message)
	l.cost += c
	l.openCost += c
	s.engine.open.Add(c)
	l.openData += int64(len(n.Data))
	l.openCount++
	l.accepted++
	l.pending++
	s.stats.Accepted++
	if l.openCount == 1 {
		l.remove()
		l.since = now
		s.collecting.push(l)
		s.engine.clock.wakeBy(after(now, o.BatchWait))
	}
	switch {
	case l.openCount >= o.BatchSize:
		s.close(l, &s.stats.Flushes.Count)
	case l.openData >= int64(o.BatchBytes):
		s.close(l, &s.stats.Flushes.Bytes)
	}
}

// flushesBy is the counter of what a control message flushes.
func flushesBy(k Kind, f *Flushes) *uint64 {
	switch k {
	case Done:
		return &f.Done
	case Disconnect:
		return &f.Disconnect
	}
	return &f.Flush
}

// close makes the open batch ready, counts that if there was one, and sees to it
// that it is delivered.
func (s *shard) close(l *lane, reason *uint64) {
	if l.openCount > 0 {
		*reason++
		s.batches.Add(sizes, int64(l.openCount))
		s.engine.open.Add(-l.openCost)
		l.openCount, l.openData, l.openCost = 0, 0, 0
	}
	l.remove()
	l.ready = l.queued
	if !l.delivering {
		l.delivering = true
		l.state = ready
		s.engine.delivering.Add(1)
		l.writer.enqueue(l)
	}
}

package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
)

// session is the time for which a Reader takes part in its group, under one name, with
// one stream and one bucket. It ends with the Reader, or where one of these is gone.
type session struct {
	r      *Reader
	log    hclog.Logger
	pace   pace
	nc     *natsgo.Conn
	js     jetstream.JetStream
	router engine.Router
	name   string // of the host or as configured, and a random part
	stream streamOf
	bucket *bucket

	serving context.Context // ends when the drain begins
	life    context.Context // ends with the session, when nothing is owned any more
	failed  chan error      // the first error that ends the session
	changed chan struct{}   // signalled when the shares may have changed

	mu      sync.Mutex
	ready   bool               // the bucket was read up to a heartbeat of my own
	sent    time.Time          // when the last heartbeat that was stored was sent
	back    uint64             // the revision of my own last heartbeat that was read back
	groups  map[string]*group  // what the bucket says
	doubts  map[int]doubt      // by partition: writes that failed because the key has changed
	owned   map[int]*partition // those that are read, or being given back
	running sync.WaitGroup     // their goroutines
}

// streamOf is the stream that is read.
type streamOf struct {
	name       string
	subject    string
	partitions int
	created    time.Time
}

// group is what the bucket says of a group of readers.
type group struct {
	members *members
	places  map[int]placeAt
}

// placeAt is a place and the revision of its key.
type placeAt struct {
	place
	revision uint64
	unknown  error // it cannot be read, and is left alone
}

// doubt is a write of a key that was expected to have a revision, and has another one.
type doubt struct {
	revision uint64
	beats    int // my heartbeats by then
}

// newGroup is one of which nothing is known.
func (s *session) newGroup() *group {
	return &group{members: newMembers(s.pace.dead), places: make(map[int]placeAt)}
}

// mine is my own group. s.mu is held.
func (s *session) mine() *group { return s.of(s.r.config.Group) }

func (s *session) of(name string) *group {
	g := s.groups[name]
	if g == nil {
		g = s.newGroup()
		s.groups[name] = g
	}
	return g
}

// fail ends the session.
func (s *session) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

func (s *session) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// run takes part until ctx ends, and then gives everything back and returns nil; or
// until the session fails, and then loses everything and returns why.
func (s *session) run(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	s.serving, s.life = ctx, life
	var own sync.WaitGroup
	own.Go(func() { s.watch(life) })
	own.Go(func() { s.beat(life) })
	own.Go(func() { s.purge(life) })
	own.Go(func() { s.measure(life) })
	tick := time.NewTicker(s.pace.beat)
	defer tick.Stop()
	var failure error
	for ctx.Err() == nil && failure == nil {
		select {
		case <-ctx.Done():
		case failure = <-s.failed:
		case <-s.changed:
			s.balance()
		case <-tick.C:
			s.balance()
		}
	}
	for _, p := range s.all() {
		if failure != nil {
			p.lose()
		} else {
			p.giveBack()
		}
	}
	s.running.Wait()
	end()
	own.Wait()
	// Otherwise it is found dead, in time.
	if err := s.bucket.remove(context.WithoutCancel(ctx), s.key(), anyRevision); err != nil {
		s.log.Debug("the key of the reader is not removed", "error", err)
	}
	return failure
}

func (s *session) key() key { return key{group: s.r.config.Group, reader: s.name} }

// all are the partitions that are owned, by their number.
func (s *session) all() []*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*partition, 0, len(s.owned))
	for _, p := range s.owned {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *partition) int { return a.number - b.number })
	return all
}

// watch reads the log of the bucket.
func (s *session) watch(ctx context.Context) {
	var last time.Time // when what is before t.next was stored
	short := 0         // how often the bucket was shorter than it was
	t := &tail{
		nc: s.nc, js: s.js, log: s.log, pace: &s.pace,
		stream: s.bucket.stream, created: s.bucket.created, subject: s.bucket.prefix + ">",
		read: func(_ context.Context, m *natsgo.Msg, meta *natsgo.MsgMetadata) error {
			last = meta.Timestamp
			if k, ok := s.bucket.keyOf(m.Subject); ok {
				s.saw(k, m, meta.Sequence.Stream)
			}
			return nil
		},
	}
	t.opened = func(ctx context.Context, info *jetstream.StreamInfo) error {
		switch before := t.next - 1; {
		case t.next == 0:
			return nil
		case info.State.LastSeq < before:
			if short++; short < shortTries {
				return errors.New("the bucket is shorter than it was") // as a server sees it that is behind
			}
			return endError{errBucket}
		default:
			short = 0
			return s.bucket.compare(ctx, before, last)
		}
	}
	if err := t.run(ctx); err != nil {
		s.fail(fmt.Errorf("bucket: %w", err))
	}
}

// saw notes what the log of the bucket says next.
func (s *session) saw(k key, m *natsgo.Msg, revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	g := s.of(k.group)
	switch {
	case k == s.key():
		s.back, s.ready = revision, true
	case k.reader != "" && removed(m):
		g.members.gone(k.reader, revision)
	case k.reader != "":
		g.members.saw(k.reader, revision)
	default:
		now := placeAt{revision: revision}
		if !removed(m) {
			if err := json.Unmarshal(m.Data, &now.place); err != nil {
				now.unknown = err
			} else if now.Version != placeVersion {
				now.unknown = fmt.Errorf("its version is %d: upgrade this ingestd", now.Version)
			}
		}
		if now.unknown != nil {
			s.log.Error("a partition is left alone: its key cannot be read", "key", k, "error", now.unknown)
		}
		g.places[k.partition] = now
		if p := s.owned[k.partition]; p != nil && k.group == s.r.config.Group {
			p.saw(now.Owner, revision)
		}
	}
}

// errBucket says that the log of the bucket is not the one that was read: it has lost
// its end, as a server does that is switched off before it has synced, or somebody has
// removed something from it. What is known of it does not hold.
var errBucket = errors.New("it is not what its log said; it is read anew")

// refused notes that a partition's key did not have the revision that it was
// written for. The log says soon what it has. Where it was read on behind that write
// and says nothing, it is not the log that was read before.
func (s *session) refused(number int, revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The second heartbeat from now on is stored after now.
	beats := s.mine().members.beats
	switch d, known := s.doubts[number]; {
	case !known || d.revision != revision:
		s.doubts[number] = doubt{revision, beats}
	case beats >= d.beats+2:
		s.fail(fmt.Errorf("bucket: %w", errBucket))
	}
}

// beat tells the others that this reader lives, and extends its leases, until ctx ends.
func (s *session) beat(ctx context.Context) {
	failing := 0
	for count := uint64(1); ; count++ {
		sent := time.Now()
		value, _ := json.Marshal(map[string]uint64{"count": count})
		revision, err := s.bucket.put(ctx, s.key(), value)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			s.mu.Lock()
			s.sent = sent
			for _, p := range s.owned {
				p.lease.Extend(sent, s.pace.lease)
			}
			s.mu.Unlock()
			if failing > 0 {
				s.log.Info("heartbeats are stored again", "failed", failing)
			}
			failing = 0
		} else if failing++; failing == 2 { // one is lost with each leader
			s.log.Warn("heartbeats are not stored; what is not stored again in time, others will read", "error", err)
		}
		s.r.beats(failing, err)
		if !pause(ctx, s.pace.beat) {
			return
		}
		if err == nil {
			s.counted(ctx, revision)
		}
	}
}

// counted counts a heartbeat that was acked, if it was read back in the meantime.
func (s *session) counted(ctx context.Context, revision uint64) {
	s.mu.Lock()
	if s.back < revision {
		s.mu.Unlock()
		return
	}
	before := len(s.mine().members.live())
	for _, g := range s.groups {
		g.members.beat(revision)
	}
	live := s.mine().members.live()
	gone := s.mine().members.silent(s.pace.forget)
	s.mu.Unlock()
	if len(live) < before {
		s.log.Warn("a reader is gone: its partitions are taken over", "readers", len(live)+1)
	}
	if len(gone) > 0 && (len(live) == 0 || s.name < live[0]) {
		for name, revision := range gone {
			_ = s.bucket.remove(ctx, key{group: s.r.config.Group, reader: name}, revision)
		}
	}
	s.wake()
}

// balance claims or gives back, so that this reader has its share.
func (s *session) balance() {
	s.mu.Lock()
	g := s.mine()
	// Two heartbeats: those who started together know of one another then.
	if !s.ready || g.members.beats == 0 || time.Since(s.sent) > s.pace.lease/2 {
		s.mu.Unlock()
		return
	}
	others := g.members.live()
	count := s.stream.partitions
	all := make([]holding, count)
	for i := range all {
		all[i] = s.holding(g, i)
	}
	rank := 0
	for _, name := range others {
		if name < s.name {
			rank++
		}
	}
	claim, give := plan(all, share(count, s.name, others), rank*count/(len(others)+1))
	for i := count - 1; i >= 0 && give > 0; i-- {
		if all[i] == mine {
			s.owned[i].giveBack()
			give--
		}
	}
	s.mu.Unlock()
	claimed, taken := 0, 0
	for _, number := range claim {
		ok, from := s.claim(number)
		if ok {
			claimed++
		}
		if ok && from != "" && from != s.name {
			taken++
		}
	}
	if claimed > 0 {
		s.r.counts.takenOver.Add(uint64(taken))
		s.log.Info("partitions claimed", "count", claimed, "of-dead-readers", taken, "readers", len(others)+1)
	}
}

// holding says who has a partition. s.mu is held.
func (s *session) holding(g *group, number int) holding {
	at := g.places[number]
	switch p := s.owned[number]; {
	case p != nil && p.leaves():
		return leaving
	case p != nil:
		return mine
	case at.unknown != nil:
		return others
	case at.Owner == s.name, s.r.past[at.Owner]: // or I do not know that I have it
		return lost
	case at.Owner == "":
		return free
	case g.members.holds(at.Owner):
		return others
	}
	return free
}

// remains is for how long a lease is held from now on, by both clocks: the monotonic
// one does not count the time for which the machine slept since sent.
func remains(sent, now time.Time, lease time.Duration) time.Duration {
	return lease - max(now.Sub(sent), now.Round(0).Sub(sent.Round(0)))
}

// claim makes a partition my own, and reads it.
func (s *session) claim(number int) (ok bool, from string) {
	s.mu.Lock()
	at := s.mine().places[number]
	s.mu.Unlock()
	from = at.Owner
	mine := at.place
	mine.Owner = s.name
	if !mine.Stream.Equal(s.stream.created) {
		if mine.Floor > 0 {
			s.r.tell(&s.r.anew, hclog.Warn, "the stream is another one than before: its partitions are read from the beginning", "partition", number)
		}
		// The flows go on: who publishes did not begin anew.
		mine.Stream, mine.Floor, mine.Time = s.stream.created, 0, time.Time{}
	}
	revision, err := s.bucket.update(s.life, key{group: s.r.config.Group, partition: number}, mine, at.revision)
	if err != nil {
		// If it was written nevertheless, the bucket will tell.
		if errors.Is(err, errChanged) {
			s.refused(number, at.revision)
		} else {
			s.log.Debug("a partition is not claimed", "partition", number, "error", err)
		}
		return false, from
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.mine().places[number]; now.revision > revision || s.owned[number] != nil {
		return false, from
	}
	lease := engine.NewLease(remains(s.sent, time.Now(), s.pace.lease))
	p := newPartition(s, number, mine, revision, lease)
	s.owned[number] = p
	s.running.Go(func() {
		p.run()
		s.mu.Lock()
		delete(s.owned, number)
		s.mu.Unlock()
		s.wake()
	})
	return true, from
}

package nats

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// partition is one that this reader owns: from the claim until it is lost or given
// back. It is the producer of its messages; their tag is the place of their carrier in
// the window.
type partition struct {
	s      *session
	number int
	lease  *engine.Lease
	log    hclog.Logger

	giving chan struct{} // closed when it is to be given back
	give   sync.Once

	consumer atomic.Value  // the name of the one that it is read by
	unread   atomic.Uint64 // carriers that are in the log and not read
	taken    atomic.Uint64 // the number of the last one that was read, of those of the consumer
	newer    atomic.Bool   // there is one that this version cannot read

	read  flows // those that were read; only the goroutine read uses it, and
	short int   // how often the stream was shorter than it was

	passed int // carriers; of its goroutine, too

	mu       sync.Mutex
	window   window
	revision uint64        // of its key, as far as it is known to be mine
	written  uint64        // the floor in the bucket
	changed  chan struct{} // signalled when there is room in the window, or nothing is open
}

var _ engine.Producer = (*partition)(nil)

// newPartition takes over a partition from its place, which was claimed with that
// revision.
func newPartition(s *session, number int, from place, revision uint64, lease *engine.Lease) *partition {
	if from.Flows == nil {
		from.Flows = make(flows)
	}
	return &partition{
		s: s, number: number, lease: lease, log: s.log.With("partition", number),
		giving: make(chan struct{}), changed: make(chan struct{}, 1),
		read:     maps.Clone(from.Flows),
		window:   window{floor: from.Floor, at: from.Time, flows: from.Flows},
		revision: revision, written: from.Floor,
	}
}

// giveBack has the partition given back, in order.
func (p *partition) giveBack() { p.give.Do(func() { close(p.giving) }) }

func (p *partition) leaves() bool {
	select {
	case <-p.giving:
		return true
	default:
		return false
	}
}

// lose ends it at once: somebody else has it.
func (p *partition) lose() { p.lease.Lose() }

// saw notes what the bucket says of it, in the order of the log. So it hears of its own
// writes whose answer did not come.
func (p *partition) saw(owner string, revision uint64) {
	p.mu.Lock()
	newer := revision > p.revision
	if newer && owner == p.s.name {
		p.revision = revision
	}
	p.mu.Unlock()
	if newer && owner != p.s.name {
		p.lose()
	}
}

// run reads the partition until it is lost or given back, or the session ends. Nothing
// of it is read any more when it returns. What is not settled by then is settled later.
func (p *partition) run() {
	defer p.lease.Lose()
	routing, cancel := context.WithCancel(p.s.serving) // a drain gives up what Route waits for
	defer cancel()
	reading, stop := context.WithCancel(routing)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.follow(reading, routing)
	}()
	tick := time.NewTicker(p.s.pace.floor)
	defer tick.Stop()
	giving := p.giving
	for ended := false; !ended || giving != nil; {
		select {
		case <-done:
			done, ended = nil, true
		case <-giving: // the carrier in hand is routed to its end
			giving = nil
			stop()
		case <-tick.C:
			p.write(p.s.name)
		case <-p.lease.Lost():
			cancel()
			if done != nil {
				<-done
			}
			return
		}
	}
	p.handOver(tick.C)
}

// handOver waits until nothing is open, and then gives the key back. Where the sink is
// far behind that would take as long as what is in memory takes, and the next reader
// would have nothing to do meanwhile: then it is left to that. In a drain it is not.
func (p *partition) handOver(tick <-chan time.Time) {
	p.flush(p.s.serving)
	late := time.NewTimer(p.s.pace.handOver)
	defer late.Stop()
	for {
		open := p.open()
		if open == 0 && p.write("") {
			p.s.r.counts.givenBack.Add(1)
			return
		}
		select {
		case <-p.changed:
		case <-tick:
			if open > 0 {
				p.write(p.s.name)
			}
		case <-late.C:
			if p.s.serving.Err() == nil {
				p.leave()
				return
			}
		case <-p.lease.Lost():
			return
		}
	}
}

// leave gives the key back with what is not stored, which nobody writes once the lease
// is lost. What is being written by then is waited for, as long as for the dead.
func (p *partition) leave() {
	p.log.Debug("a partition is given back before all of it is stored", "carriers", p.open())
	p.lease.Lose()
	late := time.NewTimer(time.Duration(p.s.pace.dead) * p.s.pace.beat)
	defer late.Stop()
	for over := false; p.open() > 0 && !over; {
		select {
		case <-p.changed:
		case <-late.C:
			over = true
		}
	}
	if p.write("") {
		p.s.r.counts.givenBack.Add(1)
	}
}

// open is how many carriers have something that is not settled.
func (p *partition) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.window.open
}

// write writes the floor, if it has moved or somebody else is to have the partition,
// and tells whether that is done. Where its outcome is not known, the log of the
// bucket will tell.
func (p *partition) write(owner string) bool {
	p.mu.Lock()
	w := &p.window
	if w.floor == p.written && owner == p.s.name {
		p.mu.Unlock()
		return true
	}
	w.flows.forget(w.at)
	now := place{Owner: owner, Floor: w.floor, Time: w.at, Stream: p.s.stream.created, Flows: maps.Clone(w.flows)}
	expected := p.revision
	p.mu.Unlock()
	if owner != "" && !p.lease.Held() {
		return false
	}
	revision, err := p.s.bucket.update(p.s.life, p.key(), now, expected)
	if err != nil {
		if errors.Is(err, errChanged) {
			p.s.refused(p.number, expected)
		}
		p.log.Debug("a floor is not written", "floor", now.Floor, "error", err)
		return false
	}
	p.mu.Lock()
	p.revision, p.written = max(p.revision, revision), now.Floor
	p.mu.Unlock()
	return true
}

func (p *partition) key() key { return key{group: p.s.r.config.Group, partition: p.number} }

// flush has the streams written that have something open, so that nobody waits for a
// linger.
func (p *partition) flush(ctx context.Context) {
	p.mu.Lock()
	streams := p.window.streams()
	p.mu.Unlock()
	for id := range streams {
		// In a drain the engine does it. Otherwise nothing is lost by an error but time.
		if ctx.Err() != nil || p.s.router.Route(ctx, engine.Message{Kind: engine.Flush, ID: id}, nil) != nil {
			return
		}
	}
}

// Spooled implements [engine.Producer]. What is spooled is not settled.
func (p *partition) Spooled([]engine.Message) {}

// Settled implements [engine.Producer].
func (p *partition) Settled(ms []engine.Message, _ engine.Result, err error) {
	ok := err == nil || engine.IsPermanent(err)
	if errors.Is(err, engine.ErrFenced) {
		p.s.r.counts.fenced.Add(uint64(len(ms)))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, j := 0, 0; i < len(ms); i = j {
		for j = i + 1; j < len(ms) && ms[j].Tag == ms[i].Tag; j++ {
		}
		p.settle(ms[i].Tag, j-i, ok)
	}
}

// settle notes what became of n messages of a carrier. p.mu is held.
func (p *partition) settle(place int64, n int, ok bool) {
	w := &p.window
	if n == 0 || !w.settle(place, n, ok) {
		return
	}
	w.advance()
	p.s.r.open.Done()
	if w.open == 0 || w.roomy() {
		select {
		case p.changed <- struct{}{}:
		default:
		}
	}
}

// behind are the carriers that are not settled, read or not.
func (p *partition) behind() (count int64, oldest time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(p.unread.Load()) + int64(p.window.len()), p.window.oldest()
}

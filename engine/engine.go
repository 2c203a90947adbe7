package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/internal/seedbug"
	"github.com/ingestd/ingestd/internal/tally"
)

// Engine is the Router that batches what it accepts by stream and writes it to a
// Sink. Its methods are safe for concurrent use. It takes part in no global state:
// there may be several in a process.
type Engine struct {
	sink  Sink
	log   hclog.Logger
	opts  atomic.Pointer[Options]
	clock clock

	seed    maphash.Seed
	shards  [shardCount]shard
	writers []*writer
	streams atomic.Int64
	room    room
	open    atomic.Int64 // what is in open batches, of what room bounds
	numbers *Numbers

	deliveries sync.Pool // of *delivery

	relieving sync.Mutex // one at a time looks for what to flush
	updating  sync.Mutex // and one at a time changes the options

	retries  retries
	refusals atomic.Int64 // in a row
	health   health
	letters  letters

	refusedLines refusedLines

	running    atomic.Bool
	started    chan struct{}  // closed when Run begins
	closing    chan struct{}  // closed when the drain begins
	abandoned  chan struct{}  // closed when the drain has no time left
	hung       chan struct{}  // closed when the sink does not come back even then
	ended      chan struct{}  // closed when all is settled: clock and settlers end
	delivering sync.WaitGroup // lanes that are not idle or collecting, and lanes' goroutines
	writing    context.Context
	stopWrites context.CancelFunc

	leavingMu sync.Mutex
	leaving   []*delivery
}

var _ Router = (*Engine)(nil)

// hangGrace is how long a Write may take to come back after its context ended.
const hangGrace = 5 * time.Second

// New makes an Engine that writes to sink. It returns the faults of o, all at
// once, or what keeps it from using o.DataDir. The sink is the engine's from Run
// on: Run closes it.
func New(sink Sink, o Options) (*Engine, error) {
	if sink == nil {
		return nil, errors.New("an engine needs a sink")
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{
		sink:      sink,
		log:       o.Logger,
		seed:      maphash.MakeSeed(),
		started:   make(chan struct{}),
		closing:   make(chan struct{}),
		abandoned: make(chan struct{}),
		hung:      make(chan struct{}),
		ended:     make(chan struct{}),
	}
	e.clock.init()
	if e.log == nil {
		e.log = hclog.NewNullLogger()
	}
	var err error
	if e.numbers, err = openNumbers(o.DataDir, o.Node, &e.clock); err != nil {
		return nil, err
	}
	for i := range e.shards {
		e.shards[i].engine = e
		e.shards[i].lanes = make(map[string]*lane)
	}
	for range o.Writers {
		e.writers = append(e.writers, &writer{
			engine: e, wake: make(chan struct{}, 1), flushed: make(chan struct{}, 1), written: make(chan []*delivery),
			asked: make(chan struct{}), closing: e.closing,
		})
	}
	e.opts.Store(&o)
	e.room.resize(int64(o.MaxPending))
	return e, nil
}

// Run delivers what Route accepts until ctx ends. Then it drains: it takes no more
// messages, flushes every stream, and waits until all is settled, for
// Options.ShutdownTimeout at most. It closes the sink and returns; no goroutine of
// the engine is left then.
//
// The error tells what could not be stored, and where it is kept (see
// [ErrUndelivered]), or what Close returned. Run can be called once.
func (e *Engine) Run(ctx context.Context) error {
	if !e.running.CompareAndSwap(false, true) {
		return errors.New("the engine has been run already")
	}
	e.writing, e.stopWrites = context.WithCancel(context.Background())
	defer e.stopWrites()
	var helpers, writers sync.WaitGroup
	stop, stopWriters := e.ended, make(chan struct{})
	helpers.Go(func() { e.tick(stop) })
	helpers.Go(func() { e.numbers.keepReserving(&e.clock, e.log, stop) })
	for _, w := range e.writers {
		helpers.Go(func() { w.settle(stop) })
		writers.Go(func() { w.run(stopWriters) })
	}
	close(e.started)

	<-ctx.Done()
	hung := e.drain()
	close(stop)
	helpers.Wait()
	close(stopWriters)
	e.refusedLines.tellRest(e.log)
	err := e.giveUp()
	if hung {
		return errors.Join(err, errors.New("the sink did not return from Write when its context ended"))
	}
	writers.Wait()
	if e := e.sink.Close(); e != nil {
		err = errors.Join(err, fmt.Errorf("close the sink: %w", e))
	}
	return err
}

// drain takes no more messages and waits until no lane is delivering, which means
// that all is settled, or left as the time is over. It tells whether the sink hangs.
func (e *Engine) drain() (hung bool) {
	close(e.closing)
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		s.closed = true
		for l := s.collecting.front; l != nil; l = s.collecting.front {
			s.close(l, &s.stats.Flushes.Drain)
		}
		s.mu.Unlock()
	}
	settled := make(chan struct{})
	go func() {
		e.delivering.Wait()
		close(settled)
	}()
	defer e.forgetLanes()
	if within(settled, e.opts.Load().ShutdownTimeout) {
		return false
	}
	close(e.abandoned)
	e.stopWrites()
	if within(settled, hangGrace) {
		return false
	}
	close(e.hung)
	for _, w := range e.writers {
		w.expel()
	}
	<-settled
	return true
}

// draining tells whether a drain has begun.
func (e *Engine) draining() bool {
	select {
	case <-e.closing:
		return true
	default:
		return false
	}
}

// within tells whether done is closed before d is over.
func within(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// forgetLanes forgets every stream: nothing comes for them any more.
func (e *Engine) forgetLanes() {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		for _, l := range s.lanes {
			s.retire(l)
		}
		s.mu.Unlock()
	}
}

// write calls the sink, with a context that ends when one of the leases is lost.
func (e *Engine) write(batches []Batch, leases []*Lease, f *figures) ([]Result, error) {
	if err := e.writing.Err(); err != nil {
		return nil, ErrUndelivered
	}
	ctx := e.writing
	if len(leases) > 0 && !seedbug.Is("engine-lease-ends-no-write") {
		var end context.CancelFunc
		ctx, end = context.WithCancel(ctx)
		defer end()
		for _, l := range leases {
			defer context.AfterFunc(l.lost, end)()
		}
	}
	began := time.Now()
	results, err := e.sink.Write(ctx, batches)
	f.written(batches, time.Since(began))
	if err == nil && results != nil && len(results) != len(batches) {
		e.log.Error("sink gave a wrong number of results", "results", len(results), "batches", len(batches))
	}
	return results, err
}

// Update changes the options of a running engine, without losing or stalling what
// is in it. Those that cannot be changed are refused, as is what Validate refuses;
// then nothing changes.
func (e *Engine) Update(o Options) error {
	e.updating.Lock()
	defer e.updating.Unlock()
	old := e.opts.Load()
	errs := []error{o.Validate()}
	fixed := func(same bool, option string) {
		if !same {
			errs = append(errs, &OptionError{option, "cannot be changed while the engine runs"})
		}
	}
	fixed(o.Writers == old.Writers, "writers")
	fixed(o.DataDir == old.DataDir, "data_dir")
	fixed(o.Node == old.Node, "node")
	if err := errors.Join(errs...); err != nil {
		return err
	}
	o.Logger, o.DeadLetters, o.RestoreToken = old.Logger, old.DeadLetters, old.RestoreToken
	e.opts.Store(&o)
	e.room.resize(int64(o.MaxPending))
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		for l := s.collecting.front; l != nil; {
			next := l.next
			if l.openCount >= o.BatchSize {
				s.close(l, &s.stats.Flushes.Count)
			} else if l.openData >= int64(o.BatchBytes) {
				s.close(l, &s.stats.Flushes.Bytes)
			}
			l = next
		}
		for _, l := range s.lanes {
			l.wakeSenders() // a share may be larger now
		}
		s.mu.Unlock()
	}
	if e.room.waiting.Load() > 0 {
		e.relieve(0) // the bound may be lower now
	}
	e.clock.wakeBy(0) // lingers and idle timeouts may end earlier now
	return nil
}

// Stats gives the counters and gauges.
func (e *Engine) Stats() Stats {
	var sum Stats
	var storedAfter, batches, groups, took tally.Tally
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		sum.add(&s.stats)
		storedAfter.Merge(&s.storedAfter)
		batches.Merge(&s.batches)
		s.mu.Unlock()
	}
	for _, w := range e.writers {
		w.figures.addTo(&groups, &took)
	}
	sum.StoredAfter, sum.BatchMessages = histogram(ages, &storedAfter), histogram(sizes, &batches)
	sum.GroupMessages, sum.Writes = histogram(sizes, &groups), histogram(writes, &took)
	sum.Pending = int64(sum.Accepted - sum.Stored - sum.Duplicates - sum.Refused - sum.Undelivered - sum.Fenced)
	sum.PendingBytes = e.room.used.Load()
	sum.Streams = int(e.streams.Load())
	o := e.opts.Load()
	sum.MaxPending, sum.MaxStreams = int64(o.MaxPending), o.MaxStreams
	sum.Groups = sum.Writes.Count()
	sum.Retries = e.retries.load()
	return sum
}

// Numbers gives the source of the engine's numbers, which are reserved while Run
// runs.
func (e *Engine) Numbers() *Numbers { return e.numbers }

// Health tells how the engine is.
func (e *Engine) Health() Health {
	h := Health{Draining: e.draining()}
	h.FullSince = e.room.since()
	e.health.tell(&h)
	h.DeadLetters = e.letters.state()
	var since time.Time
	if since, h.Numbers = e.numbers.trouble(); h.FullSince.IsZero() {
		h.FullSince = since
	}
	return h
}

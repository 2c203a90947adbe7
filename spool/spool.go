package spool

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// Spool is a Router that keeps what it accepts on disk until it is settled. Its
// methods are safe for concurrent use.
type Spool struct {
	log         hclog.Logger
	fs          fileSystem
	lock        io.Closer
	id          identity
	salt        salt
	max         engine.Size
	segmentSize int64
	numbers     *engine.Numbers
	limits      atomic.Pointer[Limits]
	begin       uint64 // the first position of this run
	found       found  // when it was opened

	journal   journal
	flows     flows
	producers producers
	committer committer
	feeder    feeder
	keeper    keeper

	running       atomic.Bool
	started       chan struct{} // closed when Run begins
	closing       chan struct{} // closed when nothing is accepted any more
	failedCh      chan struct{} // closed when it has failed
	freed         chan struct{} // a segment was deleted
	wakeCommitter chan struct{}

	mu        sync.Mutex // guards what follows
	pending   *buffer
	next      uint64 // the position of the next message
	seed      maphash.Seed
	lastSeq   [64]int64 // the last number given, of the streams that share a hash
	line      []*waiter
	granted   int64     // what waiters were granted and have not taken
	idle      bool      // the committer waits
	taken     time.Time // when it last took what was pending; zero: it waits
	writing   time.Time // buffer.at of what it writes; zero: it waits
	closed    bool
	failed    error
	accepted  uint64
	refused   bool
	fullSince time.Time
}

var (
	_ engine.Router   = (*Spool)(nil)
	_ engine.Producer = (*producer)(nil)
)

// Open opens the spool in c.Dir, or makes it. It finds what is left from the last run:
// all that was spooled and not settled, which Run hands on. What a crash has left
// half-written is cut off; what is damaged is skipped, logged, and kept aside.
func Open(c Config) (*Spool, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &Spool{
		log: c.Logger, fs: c.fs, max: c.Max, numbers: c.Numbers,
		segmentSize:   int64(min(maxSegment, c.Max/8)),
		started:       make(chan struct{}),
		closing:       make(chan struct{}),
		failedCh:      make(chan struct{}),
		freed:         make(chan struct{}, 1),
		wakeCommitter: make(chan struct{}, 1),
		pending:       &buffer{},
		seed:          maphash.MakeSeed(),
	}
	if s.log == nil {
		s.log = hclog.NewNullLogger()
	}
	s.flows.init()
	s.producers.init(s)
	s.committer.s = s
	s.keeper = keeper{s: s, large: cmp.Or(c.rewriteAt, 1<<20), wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1)}
	s.feeder = feeder{s: s, wake: make(chan struct{}, 1)}
	s.feeder.main.s, s.feeder.sweep.s = s, s
	s.Update(c.Limits)
	if s.fs == nil {
		dir, err := openDir(c.Dir)
		if err != nil {
			return nil, err
		}
		s.fs = dir
	}
	var err error
	if s.lock, err = s.fs.lock(); err != nil {
		return nil, err
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, s.closeFiles())
	}
	return s, nil
}

// Update changes the limits.
func (s *Spool) Update(l Limits) {
	s.limits.Store(&l)
	s.flows.limit(int64(l.MaxPending) / 8)
	s.feeder.refused.over(s.log, "messages that were refused are tried again")
	poke(s.feeder.wake)
}

// largest is the most that a message's record may take, without its frame.
func (s *Spool) largest() int64 {
	return min(int64(s.max)/8, maxRecord) - segmentHeadLen - sealLen - frameLen
}

// Failed is closed when a sync has failed: nothing is accepted any more, and nothing
// told to be spooled. What was accepted is handed on nevertheless.
func (s *Spool) Failed() <-chan struct{} { return s.failedCh }

// fail notes that the disk cannot be relied on any more, and returns err.
func (s *Spool) fail(err error) error {
	s.mu.Lock()
	first := s.failed == nil
	if first {
		s.failed = err
		close(s.failedCh)
	}
	s.mu.Unlock()
	if first {
		s.log.Error("the spool has failed: it accepts no more messages", "error", err)
	}
	return err
}

// failure gives why the spool has failed, or nil.
func (s *Spool) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// refuse ends acceptance.
func (s *Spool) refuse() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.closing)
	poke(s.wakeCommitter)
}

// settled notes what became of messages that were handed on. What next gave up stays.
func (s *Spool) settled(ms []engine.Message, err error) {
	if err == nil || engine.IsPermanent(err) {
		wake, urgent := s.journal.settle(ms)
		if urgent {
			poke(s.keeper.hurry)
		}
		if wake {
			poke(s.keeper.wake)
		}
	}
	if s.flows.settled(ms) {
		poke(s.feeder.wake)
	}
}

// Close closes a spool that Run was not called for. After Run it does nothing.
func (s *Spool) Close() error {
	if !s.running.CompareAndSwap(false, true) {
		return nil
	}
	s.refuse()
	return s.closeFiles()
}

func (s *Spool) closeFiles() (err error) {
	if s.keeper.f != nil {
		err = s.keeper.f.Close()
	}
	return errors.Join(err, s.lock.Close())
}

// Run runs next, writes what Route accepts to disk, and hands on to next what is
// there, until ctx ends. Then it drains: it accepts no more, syncs what is pending,
// hands on all that is left, for Limits.DrainTimeout at most, ends next's run, and
// closes the files; no goroutine of the spool is left then. What was not handed on,
// or not stored by next in time, stays on disk for the next run: its producers hear
// engine.ErrUndelivered.
//
// The error is that of next, unless it says just that something is left; why the
// spool has failed; or what kept it from closing its files. Run can be called once.
func (s *Spool) Run(ctx context.Context, next Next) error {
	if !s.running.CompareAndSwap(false, true) {
		return errors.New("the spool has been run already, or is closed")
	}
	nextCtx, endNext := context.WithCancel(context.WithoutCancel(ctx))
	defer endNext()
	feeding, stopFeeding := context.WithCancel(nextCtx)
	defer stopFeeding()
	ended := make(chan error, 1)
	go func() { ended <- next.Run(nextCtx) }()

	s.feeder.next = next
	var keeping, committing, feeders sync.WaitGroup
	stopKeeping := make(chan struct{})
	keeping.Go(func() { s.keeper.run(stopKeeping) })
	committing.Go(s.committer.run)
	feeders.Go(func() { s.feeder.run(feeding) })
	close(s.started)

	var err error
	early := false
	select {
	case <-ctx.Done():
	case err = <-ended:
		early = true
		stopFeeding()
	}
	s.refuse()
	timer := time.AfterFunc(s.limits.Load().DrainTimeout, stopFeeding)
	committing.Wait()
	feeders.Wait()
	timer.Stop()
	endNext()
	if !early {
		err = <-ended
	}
	close(stopKeeping)
	keeping.Wait()
	return s.finish(err)
}

// finish tells the producers what is left, and closes the files.
func (s *Spool) finish(err error) error {
	if errors.Is(err, engine.ErrUndelivered) {
		s.log.Info("not all is stored: the rest stays in the spool", "error", err)
		err = otherThanLeft(err)
	}
	lost, tellErr := s.tellLeft()
	if st := s.Stats(); st.Pending > 0 {
		s.log.Info("messages stay in the spool", "messages", st.Pending)
	}
	sealErr := s.committer.finish()
	s.keeper.finish()
	return errors.Join(err, lost, tellErr, sealErr, s.failure(), s.closeFiles())
}

// otherThanLeft drops from what next returned that something was left.
func otherThanLeft(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, e := range joined.Unwrap() {
			errs = append(errs, otherThanLeft(e))
		}
		return errors.Join(errs...)
	}
	if errors.Is(err, engine.ErrUndelivered) {
		return nil
	}
	return err
}

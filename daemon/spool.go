package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/spool"
	"github.com/ingestd/ingestd/transport"
)

// leastSpool is the least spool_max: an eighth of it is a segment, and no message
// may be larger.
const leastSpool = engine.MiB

// checkSpool reports a spool that is too small to be one.
func (l *loader) checkSpool(top *hclx.Block) {
	if size := l.cfg.Delivery.SpoolMax; l.cfg.Delivery.Spool && size < leastSpool {
		top.ReportOption(&engine.OptionError{
			Option: "delivery.spool_max", Problem: fmt.Sprintf("must be at least %v, not %v", leastSpool, size),
		})
	}
}

// checkAck refuses acks of a spool where there is none.
func (l *loader) checkAck(t transportConfig, b *hclx.Block) {
	if ack, ok := hclx.Get[string](t.config, "ack"); ok && ack == transport.AckSpooled && !l.cfg.Delivery.Spool {
		b.ReportOption(&engine.OptionError{Option: "ack", Problem: `needs a spool: set spool = true in delivery { }, or use "stored"`})
	}
}

// spoolConfig is how the spool in front of the engine e is made.
func (c *config) spoolConfig(e *engine.Engine) spool.Config {
	return spool.Config{
		Dir:     c.spoolDir(),
		Max:     c.Delivery.SpoolMax,
		Numbers: e.Numbers(),
		Limits:  c.spoolLimits(),
	}
}

func (c *config) spoolDir() string { return filepath.Join(c.DataDir, "spool") }

// spoolLimits are those of the engine behind the spool, so that it is never asked
// for more than it takes; and half of the time of a drain, whose rest is the engine's.
func (c *config) spoolLimits() spool.Limits {
	return spool.Limits{
		MaxPending:     c.Router.MaxPending,
		MaxStreams:     c.Router.MaxStreams,
		RejectWhenFull: c.Router.WhenFull == whenFullReject,
		DrainTimeout:   c.ShutdownTimeout / 2,
	}
}

// lateSink opens its sink when there is something to write, and for as long as it
// takes: there is a spool to wait in.
type lateSink struct {
	name string
	open func(context.Context) (Sink, error)

	opening sync.Mutex // one at a time tries, which may take as long as the network does
	sink    atomic.Pointer[Sink]
}

var _ Sink = (*lateSink)(nil)

// get opens the sink, unless that was done.
func (s *lateSink) get(ctx context.Context) (Sink, error) {
	if sink := s.sink.Load(); sink != nil {
		return *sink, nil
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	if sink := s.sink.Load(); sink != nil {
		return *sink, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sink, err := s.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open sink %s: %w", s.name, err)
	}
	s.sink.Store(&sink)
	return sink, nil
}

// Write opens the sink where that has not been done, and writes to it.
func (s *lateSink) Write(ctx context.Context, batches []engine.Batch) ([]engine.Result, error) {
	sink, err := s.get(ctx)
	if err != nil {
		return nil, err
	}
	return sink.Write(ctx, batches)
}

func (s *lateSink) Close() error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if sink := s.sink.Load(); sink != nil {
		return (*sink).Close()
	}
	return nil
}

// String says where the sink writes, or which it is while it is not open. It waits
// for nothing.
func (s *lateSink) String() string {
	if sink := s.sink.Load(); sink != nil {
		return (*sink).String()
	}
	return s.name
}

// waits tells whether a sink that could not be opened is worth waiting for: it is
// out of reach, and neither refuses us nor is named wrongly.
func waits(err error) bool {
	var option *engine.OptionError
	return !engine.IsBlocked(err) && !engine.IsPermanent(err) && !errors.As(err, &option)
}

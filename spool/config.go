package spool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// Config says where a spool is and how large it may get.
type Config struct {
	// Dir is the directory of the spool, which nothing else uses. It is made when
	// it is missing, and locked while the spool is open.
	Dir string

	// Max is the most bytes on disk. The log is in segments of an eighth of it, and
	// at most 64 MiB. No message may take more than an eighth.
	Max engine.Size

	// Numbers gives messages without a number theirs. It is the engine's.
	Numbers *engine.Numbers

	// Limits can be changed by Update.
	Limits

	// Logger hears what an operator should know; nil: nobody does.
	Logger hclog.Logger

	fs        fileSystem // nil: Dir
	rewriteAt int64      // how large settled.log gets before it is written anew; 0: 1 MiB
}

// Limits are what can be changed. The first ones are those of the Router that the
// spool hands on to, so that its Route never waits for one stream alone.
type Limits struct {
	// MaxPending is what next holds, at most. A message counts len(Data) + 256
	// bytes, and one stream may hold an eighth. A larger message is refused.
	MaxPending engine.Size

	// MaxStreams is how many streams may have messages in next at once.
	MaxStreams int

	// RejectWhenFull makes Route return engine.ErrOverloaded where it would wait.
	RejectWhenFull bool

	// DrainTimeout bounds, at the end, how long what is left is handed on. After
	// it, next's run is ended. 0: it is ended at once.
	DrainTimeout time.Duration
}

// Next is what a spool hands on to: an engine.
type Next interface {
	engine.Router

	// Run delivers what Route accepts until ctx ends, then settles what it has
	// left, and returns.
	Run(ctx context.Context) error
}

const (
	maxSegment = 64 * engine.MiB
	minMax     = engine.MiB

	// smallSegment is the least of a disk that is nearly full.
	smallSegment = 64 << 10
)

func (c *Config) validate() error {
	var errs []error
	check := func(ok bool, option, format string, args ...any) {
		if !ok {
			errs = append(errs, &engine.OptionError{Option: option, Problem: fmt.Sprintf(format, args...)})
		}
	}
	check(c.Dir != "" || c.fs != nil, "spool_dir", "must not be empty")
	check(c.Max >= minMax, "spool_max", "must be at least %v, not %v", minMax, c.Max)
	check(c.DrainTimeout >= 0, "shutdown_timeout", "must not be negative, not %v", c.DrainTimeout)
	check(c.MaxPending >= 64*engine.KiB, "max_pending", "must be at least 64KiB, not %v", c.MaxPending)
	check(c.MaxStreams >= 1, "max_streams", "must be at least 1, not %d", c.MaxStreams)
	if c.Numbers == nil {
		errs = append(errs, errors.New("a spool needs the engine's numbers"))
	}
	return errors.Join(errs...)
}

// overhead is what a message counts besides its data, as in the engine.
const overhead = 256

// cost is what m counts against a share. The engine counts nothing for control
// messages; here they count, since they are in memory, too.
func cost(m *engine.Message) int64 { return int64(len(m.Data)) + overhead }

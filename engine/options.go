package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Options say how an Engine batches, bounds and delivers. Start from
// [DefaultOptions]; a zero is a value like any other, and mostly a wrong one.
type Options struct {
	// A stream's batch is ready when it has BatchSize messages, or BatchBytes
	// bytes of data, or BatchWait after its first message, whichever comes first.
	BatchSize  int
	BatchBytes Size
	BatchWait  time.Duration

	// IdleTimeout is how long a stream without messages is remembered.
	IdleTimeout time.Duration

	// MaxStreams is the most streams that are live at once.
	MaxStreams int

	// MaxPending is how much may be accepted and not yet stored. A message counts
	// len(Data) + 256 bytes. One stream may hold an eighth of it.
	MaxPending Size

	// RejectWhenFull makes Route return ErrOverloaded at MaxPending. Otherwise it
	// blocks until there is room.
	RejectWhenFull bool

	// After a transient failure a stream is tried again after a random time up to
	// RetryMin, which doubles with each further failure until it is RetryMax.
	RetryMin time.Duration
	RetryMax time.Duration

	// ShutdownTimeout bounds a drain: what is not stored by then is given up,
	// written to a file in DataDir, and settled with [ErrUndelivered].
	ShutdownTimeout time.Duration

	// Writers is how many goroutines call Sink.Write. A stream always has the same
	// one. It cannot be changed by Update.
	Writers int

	// A group, which is what one Write gets, has at most GroupSize messages and
	// GroupBytes bytes of data, unless a single message is larger.
	GroupSize  int
	GroupBytes Size

	// DataDir is where the engine keeps the high-water mark of its numbers and
	// writes what it could not deliver. It is made when it is missing. Empty:
	// nothing is kept on disk, numbers rely on the clock alone, and what a drain
	// gives up is only settled with ErrUndelivered. It cannot be changed by Update.
	DataDir string

	// LeaveUndelivered says that no file is written of what a drain gives up: whoever
	// routed it keeps it, as a spool does.
	LeaveUndelivered bool

	// DeadLetters keeps what the sink refuses for good; nil: it is only told to the
	// producer. It cannot be changed by Update.
	DeadLetters DeadLetters

	// RestoreToken is written into each line of a file of what could not be
	// delivered. It lets who has the file give its messages back, with the numbers
	// that they have: see transport.WebSocketConfig. Empty: nothing is written. It
	// cannot be changed by Update.
	RestoreToken Secret

	// Node, 1 to 4095, tells apart the numbers of engines that write the same
	// streams. 0: chosen at random, and kept in DataDir. It cannot be changed by
	// Update.
	Node int

	// Logger hears what an operator should know; nil: nobody does. It cannot be
	// changed by Update.
	Logger hclog.Logger
}

// DefaultOptions are those of an empty config.hcl, without a data directory.
func DefaultOptions() Options {
	return Options{
		BatchSize:       10,
		BatchBytes:      1 * MiB,
		BatchWait:       10 * time.Second,
		IdleTimeout:     time.Minute,
		MaxStreams:      1_000_000,
		MaxPending:      256 * MiB,
		RetryMin:        100 * time.Millisecond,
		RetryMax:        30 * time.Second,
		ShutdownTimeout: 30 * time.Second,
		Writers:         1,
		GroupSize:       1000,
		GroupBytes:      4 * MiB,
	}
}

// Validate reports every fault at once, each as an [OptionError], joined.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, option, format string, args ...any) {
		if !ok {
			errs = append(errs, &OptionError{option, fmt.Sprintf(format, args...)})
		}
	}
	check(o.BatchSize >= 1, "batch_size", "must be at least 1, not %d", o.BatchSize)
	check(o.BatchBytes >= 1, "batch_bytes", "must be at least 1B, not %v", o.BatchBytes)
	check(o.BatchWait > 0, "batch_wait", "must be positive, not %v", o.BatchWait)
	check(o.IdleTimeout > 0, "idle_timeout", "must be positive, not %v", o.IdleTimeout)
	check(o.MaxStreams >= 1, "max_streams", "must be at least 1, not %d", o.MaxStreams)
	check(o.MaxPending >= 64*KiB, "max_pending", "must be at least 64KiB, not %v", o.MaxPending)
	check(o.RetryMin > 0, "retry_min", "must be positive, not %v", o.RetryMin)
	check(o.RetryMax >= o.RetryMin, "retry_max", "must be at least retry_min (%v), not %v", o.RetryMin, o.RetryMax)
	check(o.ShutdownTimeout > 0, "shutdown_timeout", "must be positive, not %v", o.ShutdownTimeout)
	check(o.Writers >= 1 && o.Writers <= 64, "writers", "must be 1 to 64, not %d", o.Writers)
	check(o.GroupSize >= 1, "group_size", "must be at least 1, not %d", o.GroupSize)
	check(o.GroupBytes >= 1, "group_bytes", "must be at least 1B, not %v", o.GroupBytes)
	check(o.Node >= 0 && o.Node <= 4095, "node", "must be 1 to 4095, or 0 for a random one, not %d", o.Node)
	return errors.Join(errs...)
}

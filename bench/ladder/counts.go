package ladder

import (
	"context"
	"errors"
	"sync/atomic"

	driver "github.com/go-sql-driver/mysql"
)

// Counters are what a design met with.
type Counters struct {
	Design    string `json:"design"`
	Received  int64  `json:"received"`   // messages that were read
	Deadlocks int64  `json:"deadlocks"`  // that the database ended
	LockWaits int64  `json:"lock_waits"` // that took too long
	Errors    int64  `json:"errors"`     // others of the database
	Retries   int64  `json:"retries"`    // of what had failed
}

type counts struct {
	received, deadlocks, lockWaits, errors, retries atomic.Int64
}

// failed takes an error of the database. What fails as the process ends is none.
func (c *counts) failed(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	var e *driver.MySQLError
	switch errors.As(err, &e); {
	case e != nil && e.Number == 1213:
		c.deadlocks.Add(1)
	case e != nil && e.Number == 1205:
		c.lockWaits.Add(1)
	default:
		c.errors.Add(1)
	}
}

func (c *counts) read(name string) Counters {
	return Counters{
		Design: name, Received: c.received.Load(), Deadlocks: c.deadlocks.Load(),
		LockWaits: c.lockWaits.Load(), Errors: c.errors.Load(), Retries: c.retries.Load(),
	}
}

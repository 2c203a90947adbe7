package sqlite

import (
	"context"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/ingestd/ingestd/engine"
)

// refused tells whether err says that the row itself cannot be stored.
func refused(err error) bool {
	var e *driver.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_CONSTRAINT, lib.SQLITE_MISMATCH, lib.SQLITE_TOOBIG:
		return true
	}
	return false
}

// classify gives err the mark by which the engine knows what to do: permanent,
// blocked, or none, for what passes. The last holds for a database that is busy
// or locked, for a full disk, and for whatever is not known.
func classify(ctx context.Context, err error) error {
	if err == nil || engine.IsPermanent(err) || engine.IsBlocked(err) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	if refused(err) {
		return engine.Permanent(err)
	}
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code() == lib.SQLITE_IOERR_SHMSIZE { // the disk is full, beside the log
		return err
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_ERROR, lib.SQLITE_PERM, lib.SQLITE_READONLY, lib.SQLITE_IOERR,
		lib.SQLITE_CORRUPT, lib.SQLITE_CANTOPEN, lib.SQLITE_AUTH, lib.SQLITE_NOTADB:
		return engine.Blocked(err)
	}
	return err
}

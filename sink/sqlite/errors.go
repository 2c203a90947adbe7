package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// code is the extended code of err as text; empty where it did not come from
// SQLite.
func code(err error) string {
	var e *driver.Error
	if !errors.As(err, &e) {
		return ""
	}
	return strconv.Itoa(e.Code())
}

// permanent marks an error that refuses a message.
func permanent(err error) error { return engine.Permanent(sink.WithCode(err, code(err))) }

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

// rolledBack tells whether SQLite may have rolled back the whole transaction after
// err by itself, which it does where it cannot go on.
func rolledBack(err error) bool {
	var e *driver.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_NOMEM, lib.SQLITE_BUSY, lib.SQLITE_INTERRUPT:
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
		return permanent(err)
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

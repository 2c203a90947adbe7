package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrBegin says that not even the transaction could be begun.
	ErrBegin = errors.New("begin")

	// ErrLost marks a connection of which it is not sure that it is out of its
	// transaction: it must be discarded.
	ErrLost = errors.New("connection given up")
)

// Transaction calls f in a transaction and commits, or rolls back after every
// error: a server does so by itself only after some.
func (c *Conn) Transaction(ctx context.Context, f func(context.Context) error) (err error) {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBegin, err)
	}
	if err = f(ctx); err == nil {
		if err = tx.Commit(); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// Where the context has ended, database/sql rolls back on a goroutine of its
	// own, which nobody can wait for: it might meet the next transaction. And after
	// some errors, as of a full disk, SQLite has done so itself.
	if e := tx.Rollback(); e != nil && !strings.Contains(e.Error(), "no transaction is active") {
		err = fmt.Errorf("%w (%w)", err, ErrLost)
	}
	return err
}

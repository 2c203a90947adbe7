package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
)

var (
	// ErrBegin says that not even the transaction could be begun.
	ErrBegin = errors.New("begin")

	// ErrLost marks a connection of which it is not sure that it is out of its
	// transaction: it must be discarded.
	ErrLost = errors.New("connection given up")
)

// Steps are what a Write does in its transaction, in this order.
type Steps struct {
	Insert  func(context.Context) error // stores the messages, and finds out which are new
	Streams func(context.Context) error // writes the rows of the streams
	Results func(context.Context) ([]engine.Result, error)
	Hook    *Hook // nil: none
}

// Store carries out the steps in a transaction.
func (c *Conn) Store(ctx context.Context, g *Group, do Steps) (results []engine.Result, err error) {
	err = c.Transaction(ctx, func(ctx context.Context) error {
		if err := do.Insert(ctx); err != nil {
			return err
		}
		g.Fold()
		if err := do.Streams(ctx); err != nil {
			return err
		}
		if results, err = do.Results(ctx); err != nil {
			return err
		}
		return c.apply(ctx, do.Hook, g)
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

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
	if seedbug.Is("mysql-no-rollback-after-1205") && strings.Contains(err.Error(), "Error 1205") {
		return errors.Join(err, tx.Commit())
	}
	// Where the context has ended, database/sql rolls back on a goroutine of its
	// own, which nobody can wait for: it might meet the next transaction. And after
	// some errors, as of a full disk, SQLite has done so itself.
	if e := tx.Rollback(); e != nil && !strings.Contains(e.Error(), "no transaction is active") {
		err = fmt.Errorf("%w (%w)", err, ErrLost)
	}
	return err
}

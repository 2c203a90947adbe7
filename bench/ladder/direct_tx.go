package ladder

import (
	"context"
	"database/sql"
)

// directTx is the first design by the book: a transaction reads the row of the
// stream, locks it, and makes or changes it. Where there is no row yet, what is
// locked is the gap where it would be, which many can lock at once, and into which
// then none of them can insert: deadlocks, each of which loses a message.
type directTx struct{ spawn }

func newDirectTx(_ context.Context, s *store, _ times) design { return &directTx{spawn{store: s}} }

func (d *directTx) receive(ctx context.Context, m message) {
	d.start(ctx, func() error {
		return d.store.transaction(ctx, func(tx *sql.Tx) error {
			there, err := d.store.find(ctx, tx, m.id)
			if err != nil {
				return err
			}
			if err := d.store.changeStream(ctx, tx, m, there); err != nil {
				return err
			}
			return d.store.insert(ctx, tx, m)
		})
	})
}

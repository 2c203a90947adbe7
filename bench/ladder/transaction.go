package ladder

import (
	"context"
	"database/sql"
)

// transaction is the third design: a transaction for each message, and what fails
// in it is tried again in it. But after a deadlock the database has already taken
// everything back, and each statement that follows is stored by itself: when the
// second fails once more, the first is there to stay, and is written again.
type transaction struct{ spawn }

// attempts is how often a transaction's statements are tried.
const attempts = 3

func newTransaction(_ context.Context, s *store, _ times) design {
	return &transaction{spawn{store: s}}
}

func (d *transaction) receive(ctx context.Context, m message) {
	d.start(ctx, func() error {
		return d.store.transaction(ctx, func(tx *sql.Tx) error {
			err := d.store.write(ctx, tx, m)
			for n := 1; err != nil && n < attempts; n++ {
				d.store.counts.failed(ctx, err)
				d.store.counts.retries.Add(1)
				err = d.store.write(ctx, tx, m)
			}
			return err
		})
	})
}

// Package applytest checks the hook of a sink: that a host program's rows change
// exactly once for each message, whatever the hook, the messages or the database
// do.
package applytest

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// Database is where a sink writes, in its own dialect.
type Database struct {
	// Open gives a sink on the database. The kit closes it.
	Open func(t testing.TB, apply sink.Apply) engine.Sink

	// DB is another connection to it, for the test.
	DB *sql.DB

	// Add is a statement that adds 1 to n in the row of totals with an id, or makes
	// that row. The table is (id, n), with CHECK (n < 1000).
	Add string

	// Check is the code of the error where n is not < 1000.
	Check string

	// Hidden is a statement that commits, without a word that tells so.
	Hidden string
}

// Add makes an Apply that counts the fresh messages of each stream.
func (d *Database) add(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
	for i := range fresh {
		for range fresh[i].Messages {
			if _, err := tx.ExecContext(ctx, d.Add, fresh[i].ID); err != nil {
				return fmt.Errorf("add: %w", err)
			}
		}
	}
	return nil
}

// Adds is an Apply for tests beyond the kit: it counts the fresh messages of each
// stream in the table of [Exact].
func (d *Database) Adds() sink.Apply { return d.add }

// Exact fails unless the host program's rows are what the stored messages make.
func (d *Database) Exact(t testing.TB, messages int) {
	t.Helper()
	for query, want := range map[string]int{
		"SELECT COUNT(*) FROM messages":                                                       messages,
		"SELECT COALESCE(SUM(n), 0) FROM totals":                                              messages,
		"SELECT COALESCE(SUM(messages), 0) FROM streams":                                      messages,
		"SELECT COUNT(*) FROM streams s JOIN totals t ON t.id = s.id WHERE t.n <> s.messages": 0,
	} {
		var n int
		if err := d.DB.QueryRowContext(context.Background(), query).Scan(&n); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if n != want {
			t.Errorf("%s: %d, not %d", query, n, want)
		}
	}
}

var received = time.Date(2024, 5, 7, 3, 33, 20, 0, time.UTC)

// Batch holds the messages of a stream with the numbers from..to.
func Batch(id string, from, to int) engine.Batch {
	b := engine.Batch{ID: id}
	for k := from; k <= to; k++ {
		b.Messages = append(b.Messages, engine.Message{
			ID: id, Seq: int64(k), Client: "phone-7", Op: "report", Received: received, Time: received,
			Data: fmt.Appendf(nil, `{"n":%d}`, k),
		})
	}
	return b
}

// Ended is b, and the Done that ends its stream.
func Ended(b engine.Batch) engine.Batch {
	b.End, b.Ended = engine.EndOp, received
	b.Final = &engine.Message{Kind: engine.Done, ID: b.ID, Code: 7, Data: []byte(`true`), Received: received}
	return b
}

// Run checks the hook of a sink, each case on a new database.
func Run(t *testing.T, open func(t *testing.T) *Database) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := &hooked{T: t, db: open(t)}
			h.sink = h.db.Open(t, func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error {
				return h.apply(ctx, tx, fresh)
			})
			h.apply = h.db.add
			t.Cleanup(func() {
				if err := h.sink.Close(); err != nil {
					t.Error(err)
				}
			})
			c.run(h)
		})
	}
}

// hooked is a sink whose hook a case may change.
type hooked struct {
	*testing.T
	db    *Database
	sink  engine.Sink
	apply sink.Apply
}

// write stores batches, which must succeed.
func (h *hooked) write(batches ...engine.Batch) {
	h.Helper()
	if _, err := h.sink.Write(h.Context(), batches); err != nil {
		h.Fatal(err)
	}
}

// fails writes batches with another hook, which must fail, and not leave a trace;
// with the hook that counts it works afterwards.
func (h *hooked) fails(apply sink.Apply, batches ...engine.Batch) error {
	h.Helper()
	before := h.count()
	counts := h.apply
	h.apply = apply
	_, err := h.sink.Write(h.Context(), batches)
	h.apply = counts
	if err == nil {
		h.Fatal("Write has stored what the hook did not want")
	}
	h.db.Exact(h, before)
	return err
}

func (h *hooked) count() (n int) {
	h.Helper()
	if err := h.db.DB.QueryRowContext(h.Context(), "SELECT COUNT(*) FROM messages").Scan(&n); err != nil {
		h.Fatal(err)
	}
	return n
}

// is fails unless err has the class: "transient", "permanent" or "blocked".
func (h *hooked) is(err error, class string) {
	h.Helper()
	got := "transient"
	switch {
	case engine.IsBlocked(err):
		got = "blocked"
	case engine.IsPermanent(err):
		got = "permanent"
	}
	if got != class {
		h.Errorf("is %s, not %s: %v", got, class, err)
	}
}

package sink

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// Apply is a function of the host program that changes rows of its own in the
// transaction of a Write, after the messages and the rows of the streams were
// written and before the commit. So what it does happens if and only if they are
// stored: exactly once for each message, whatever is retried, sent again or
// replayed.
//
// fresh are the batches of the Write with the messages that were not stored
// before, in the order of acceptance; each has the End, Ended and Final of its
// stream where the stream ended after it. A batch of which all is stored already
// and that ends nothing is left out; where all are left out, Apply is not called.
// An end, unlike a message, has no key: after a lost answer or a replay it may
// come again, alone, even where the stream has gone on since. So take it as a
// state and not as something to count; the row of the stream, which tx can read,
// is right once all is replayed. fresh and its memory are valid during the call,
// and must not be changed.
//
// All that Apply does must be done through tx, on the calling goroutine, since it
// may be rolled back, and be called again for the same messages. It prepares on tx
// what it runs often: statements of another pool cannot be used there. It must not
// end the transaction: Commit and Rollback of tx are refused, and so are statements
// that would do so; then all is rolled back and the sink is blocked. Once it has
// returned, tx can be used no more, and what it left open is closed.
//
// Its errors undo the Write. They are transient, so that the engine tries again,
// unless marked: [engine.Reject](i, j, err) refuses the message j of fresh[i], or
// with j = len(Messages) its end, and the others are written again without it;
// [engine.Permanent] refuses one that the engine finds by halving; and
// [engine.Blocked] waits for an operator. An error of the database counts as it
// would in the sink: what does not fit a column is refused, a deadlock is tried
// again at once, a missing table blocks. A panic or runtime.Goexit is an error,
// and transient: the messages are kept until the program is mended.
type Apply func(ctx context.Context, tx *sql.Tx, fresh []engine.Batch) error

// Hook is an Apply, and what its database does to a transaction. What is nil or
// empty is left out.
type Hook struct {
	Apply Apply

	// Ends are the words with which statements begin that end a transaction, in
	// upper case, beyond those of transactions themselves.
	Ends []string

	// Over tells whether the database has rolled back the transaction by itself
	// after err. Then Apply can do nothing more in it.
	Over func(err error) bool

	// MaxBytes is how large a statement of Apply may be; 0: as large as it is. A
	// server may answer a larger one by cutting the connection, which looks like a
	// fault that passes: so it gets the error of TooBig, and is not sent.
	MaxBytes int
	TooBig   func(bytes, most int) error

	// Code is the database's own short form of an error, empty for others.
	Code func(err error) string
}

// The transaction of the Write must still be there after Apply, with this mark in
// it. The names of the statements are the same in all dialects.
const (
	markName = "ingest_apply"
	setMark  = "SAVEPOINT " + markName
	getMark  = "RELEASE SAVEPOINT " + markName
)

// apply calls the hook for what is fresh in g, within the transaction that is under
// way on c.
func (c *Conn) apply(ctx context.Context, h *Hook, g *Group) error {
	if h == nil || h.Apply == nil {
		return nil
	}
	fresh, at := g.news()
	if len(fresh) == 0 {
		return nil
	}
	var err error
	// All of it holds the connection, so that nobody rolls back on it meanwhile.
	raw := c.Raw(func(dc any) error {
		err = h.call(ctx, dc.(driver.Conn), fresh)
		return nil
	})
	if err == nil {
		err = raw
	}
	return h.place(g, err, fresh, at)
}

// call runs Apply between the mark and the look whether it is still there.
func (h *Hook) call(ctx context.Context, dc driver.Conn, fresh []engine.Batch) error {
	mark := func(query string) error {
		_, err := dc.(driver.ExecerContext).ExecContext(ctx, query, nil)
		return err
	}
	if err := mark(setMark); err != nil {
		return fmt.Errorf("begin Apply: %w", err)
	}
	n := &nested{Conn: dc, hook: h}
	err := n.run(ctx, fresh)
	switch {
	case n.fault() != nil: // whatever Apply made of it
		return fmt.Errorf("Apply: %w", n.fault())
	case err != nil:
		return fmt.Errorf("Apply: %w", err)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if err = mark(getMark); err != nil && strings.Contains(err.Error(), markName) {
		return engine.Blocked(fmt.Errorf(
			"Apply: a statement has ended the sink's transaction; what came before it may be stored: %w", err))
	}
	return err
}

// run calls Apply with a transaction that is over when it returns.
func (n *nested) run(ctx context.Context, fresh []engine.Batch) (err error) {
	db := sql.OpenDB(n)
	defer func() { _ = db.Close() }()
	// Not the end of ctx, but ours, ends it: then nothing of Apply's goes on.
	tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	defer func() {
		n.returned.Store(true)
		_ = tx.Rollback() // waits for its statements, and closes its rows
	}()
	// On a goroutine of its own: with runtime.Goexit, which is what a failing test
	// calls, it would end the writer's.
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = errors.New("it has ended its goroutine")
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		err = n.hook.Apply(ctx, tx, fresh)
	}()
	<-done
	return err
}

// A position tells where a batch of news comes from.
type position struct {
	batch    int
	messages []int // the indices of its messages; nil: all of them
}

// news gives the batches that Apply sees, and where they come from.
func (g *Group) news() (fresh []engine.Batch, at []position) {
	for i := range g.Batches {
		b, p := g.Batches[i], position{batch: i}
		b.Resume = ""
		if g.dups[i] > 0 && !seedbug.Is("apply-sees-duplicates") {
			p.messages, b.Messages = make([]int, 0, len(b.Messages)), nil
			for j := range g.Batches[i].Messages {
				if !g.stored[g.first[i]+j] {
					p.messages = append(p.messages, j)
					b.Messages = append(b.Messages, g.Batches[i].Messages[j])
				}
			}
		}
		if len(b.Messages) > 0 || b.End != "" {
			fresh, at = append(fresh, b), append(at, p)
		}
	}
	return fresh, at
}

// place makes of a Reject of a message of fresh one of the Write's. One that names
// nothing is permanent, so that the engine looks for the message itself.
func (h *Hook) place(g *Group, err error, fresh []engine.Batch, at []position) error {
	var r *engine.RejectError
	if !errors.As(err, &r) || engine.IsBlocked(err) {
		return err
	}
	why := errors.New("Apply: refused")
	if r.Err != nil {
		why = fmt.Errorf("Apply: %w", r.Err)
		if h.Code != nil {
			why = WithCode(why, h.Code(r.Err))
		}
	}
	why = engine.Permanent(why)
	if r.Batch < 0 || r.Batch >= len(fresh) {
		return why
	}
	b, p := &fresh[r.Batch], &at[r.Batch]
	switch n := len(b.Messages); {
	case r.Message < 0 || r.Message > n || r.Message == n && b.End == "":
		return why
	case r.Message == n:
		return engine.Reject(p.batch, len(g.Batches[p.batch].Messages), why)
	case p.messages == nil:
		return engine.Reject(p.batch, r.Message, why)
	default:
		return engine.Reject(p.batch, p.messages[r.Message], why)
	}
}

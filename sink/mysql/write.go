package mysql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// errSlow says that the group is not as plain as the fast path wants it.
var errSlow = errors.New("not all rows are new")

// maxStatement bounds a statement of several rows, where a quarter of the
// server's max_allowed_packet does not: the driver keeps its buffer from one
// statement to the next only if it is not larger than 256 KiB.
const maxStatement = 240 << 10

// write stores the batches: at first in the hope that every message is new. limit
// is how large a statement may be, where that is less than the server says.
func (w *writer) write(ctx context.Context, batches []engine.Batch, limit int) ([]engine.Result, error) {
	if w.limit = min(w.packet/4, maxStatement); limit > 0 {
		w.limit = min(w.limit, limit)
	}
	w.group.Load(batches, time.Now())
	w.group.Sort()
	results, err := w.transaction(ctx, w.insertAll)
	for try := 0; again(err) && try < maxTries; try++ {
		results, err = w.transaction(ctx, w.insertNew)
	}
	return results, err
}

// maxTries bounds how often a group is tried again at once.
const maxTries = 10

// again tells whether the group is to be tried once more, at once: rows were
// there, or another server was in the way. Servers that write the same messages
// at the same time can end in a deadlock although all keep the order of the keys:
// when one rolls back its fast path, those that wait for its rows are left with
// locks on the gaps where these were.
func again(err error) bool {
	return (errors.Is(err, errSlow) || number(err) == 1213) && !errors.Is(err, sink.ErrLost)
}

// transaction stores the messages with insert, and all that goes with them.
func (w *writer) transaction(ctx context.Context, insert func(context.Context) error) ([]engine.Result, error) {
	return w.conn.Store(ctx, &w.group, sink.Steps{
		Insert: insert, Streams: w.writeStreams, Results: w.results, Hook: w.hook,
	})
}

// insertAll is the fast path: as many rows in as were sent.
func (w *writer) insertAll(ctx context.Context) error {
	rows := w.group.Fresh
	w.sent = 0
	for len(rows) > 0 {
		n := sink.Chunk(len(rows), w.limit, shapes, func(k int) int {
			return sink.RowSize(w.group.Message(rows[k]))
		})
		w.sent += n
		affected, err := w.insert(ctx, rows[:n])
		if err != nil {
			return fmt.Errorf("insert messages: %w", err)
		}
		if affected != int64(n) {
			return errSlow
		}
		rows = rows[n:]
	}
	return nil
}

func (w *writer) insert(ctx context.Context, rows []sink.Ref) (int64, error) {
	size := sink.RowSize(w.group.Message(rows[0]))
	if len(rows) == 1 && size > w.packet {
		return 0, engine.Reject(rows[0].Batch, rows[0].Message, tooBig(size, w.packet))
	}
	w.args.Reset()
	for _, r := range rows {
		w.args.Message(w.group.Message(r), w.group.Now)
	}
	affected, err := w.conn.Exec(ctx, w.queries.insertMessages[len(rows)], w.args.Values())
	if err != nil {
		return 0, w.statementError(err, len(rows), func(k int, err error) error {
			return engine.Reject(rows[k].Batch, rows[k].Message, err)
		})
	}
	return affected, nil
}

// statementError finds out what a failed statement of n rows means: which row is
// refused, where the server says so, or that the statement was too big.
func (w *writer) statementError(err error, n int, reject func(k int, err error) error) error {
	switch {
	case packetTooBig(err):
		if n == 1 {
			return reject(0, permanent(err))
		}
		return &tooBigError{rows: n, limit: w.limit, err: err}
	case refused(err):
		if n == 1 {
			return reject(0, permanent(err))
		}
		if k := rowNumber(err); k >= 1 && k <= n {
			return reject(k-1, permanent(err))
		}
	}
	return err
}

package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
	"github.com/ingestd/ingestd/sink"
)

// shapes are how many rows a statement may have; each is prepared once. More
// rows than 50 save nothing.
var shapes = []int{50, 25, 10, 5, 1}

// minRun is how many rows a run must have for a statement of its own, one of the
// shapes. Fewer go with their neighbours into one that binds every column of
// every row: at ten rows, what more statements cost is all that is saved.
const minRun = 25

// chunkBytes bounds what the texts of one statement take: the driver copies them.
const chunkBytes = 4 << 20

// errSlow says that the group is not as plain as the fast path wants it.
var errSlow = errors.New("not all rows are new")

const onConflict = " ON CONFLICT (id, seq, client) DO NOTHING"

var insertMessages = func() map[int]string {
	m := make(map[int]string)
	for _, n := range shapes {
		m[n] = "INSERT INTO messages (" + strings.Join(sink.MessageColumns, ", ") + ") VALUES " +
			sink.Tuples(n, len(sink.MessageColumns)) + onConflict
	}
	return m
}()

// insertRun binds what the rows of a run share once: to bind a text is a good part
// of what the driver does for a row. Numbered placeholders would do as well, but
// the driver copies the name of each. WHERE tells the parser that ON is not a
// join's.
var insertRun = func() map[int]string {
	shared, own := len(sink.RunColumns), len(sink.OwnColumns)
	selected := strings.Repeat("?, ", shared)
	for k := range own {
		selected += fmt.Sprintf("column%d, ", k+1)
	}
	m := make(map[int]string)
	for _, n := range shapes {
		m[n] = "INSERT INTO messages (" + strings.Join(append(slices.Clone(sink.RunColumns), sink.OwnColumns...), ", ") +
			") SELECT " + strings.TrimSuffix(selected, ", ") + " FROM (VALUES " + sink.Tuples(n, own) + ") WHERE true" + onConflict
	}
	return m
}()

const selectMessage = "SELECT op, code, data FROM messages WHERE id = ? AND seq = ? AND client = ?"

// write stores the batches: at first in the hope that every message is new, with
// few statements; where one is not, row by row.
func (w *writer) write(ctx context.Context, batches []engine.Batch) ([]engine.Result, error) {
	w.group.Load(batches, time.Now())
	results, err := w.transaction(ctx, w.insertAll)
	if errors.Is(err, errSlow) && !errors.Is(err, sink.ErrLost) {
		results, err = w.transaction(ctx, w.insertEach)
	}
	return results, err
}

func (w *writer) release() {
	w.group.Release()
	w.args.Release()
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
	for len(rows) > 0 {
		n, insert := w.next(rows)
		affected, err := insert(ctx, rows[:n])
		switch {
		case err != nil && refused(err):
			return w.find(ctx, rows[:n], err)
		case err != nil:
			return fmt.Errorf("insert messages: %w", err)
		case affected != int64(n):
			return errSlow
		}
		rows = rows[n:]
	}
	return nil
}

// next tells how many of rows go into the next statement, and which that is.
func (w *writer) next(rows []sink.Ref) (n int, insert func(context.Context, []sink.Ref) (int64, error)) {
	rows = rows[:min(len(rows), shapes[0])]
	n, insert = w.group.Run(rows), w.insertRun
	if n < minRun {
		for insert = w.insert; n < len(rows); {
			run := w.group.Run(rows[n:])
			if run >= minRun {
				break
			}
			n += run
		}
	}
	return sink.Chunk(n, chunkBytes, shapes, func(k int) int {
		return sink.RowSize(w.group.Message(rows[k]))
	}), insert
}

// find inserts rows one by one, of which one is refused with err, to find out
// which: what is before it stands. The slow path could tell as well, but it begins
// with the first row of the group.
func (w *writer) find(ctx context.Context, rows []sink.Ref, err error) error {
	for k, r := range rows {
		affected := int64(0)
		if len(rows) > 1 {
			affected, err = w.insert(ctx, rows[k:k+1])
		}
		switch {
		case err != nil && refused(err):
			return engine.Reject(r.Batch, r.Message, permanent(err))
		case err != nil:
			return fmt.Errorf("insert message: %w", err)
		case affected == 0:
			return errSlow
		}
	}
	return errSlow
}

func (w *writer) insert(ctx context.Context, rows []sink.Ref) (int64, error) {
	w.args.Reset()
	for _, r := range rows {
		w.args.Message(w.group.Message(r), w.group.Now)
	}
	return w.conn.Exec(ctx, insertMessages[len(rows)], w.args.Values())
}

// insertRun inserts rows of one run.
func (w *writer) insertRun(ctx context.Context, rows []sink.Ref) (int64, error) {
	w.args.Reset()
	w.args.Run(w.group.Message(rows[0]))
	for _, r := range rows {
		w.args.Own(w.group.Message(r), w.group.Now)
	}
	return w.conn.Exec(ctx, insertRun[len(rows)], w.args.Values())
}

// insertEach is the slow path. What is not inserted is there already: as a
// duplicate where it has the same content, otherwise in conflict.
func (w *writer) insertEach(ctx context.Context) error {
	for k, r := range w.group.Rows {
		affected, err := w.insert(ctx, w.group.Rows[k:k+1])
		if err != nil && refused(err) {
			return engine.Reject(r.Batch, r.Message, permanent(err))
		}
		if err != nil {
			return fmt.Errorf("insert message: %w", err)
		}
		if affected == 1 {
			continue
		}
		same, err := w.same(ctx, w.group.Message(r))
		if err != nil {
			return fmt.Errorf("compare message: %w", err)
		}
		if !same {
			return engine.Reject(r.Batch, r.Message, engine.ErrConflict)
		}
		w.group.Stored(r)
	}
	w.group.Refresh()
	return nil
}

// same tells whether what is stored under the key of m is m.
func (w *writer) same(ctx context.Context, m *engine.Message) (same bool, err error) {
	w.args.Reset()
	w.args.Add(m.ID)
	w.args.Add(m.Seq)
	w.args.Add(m.Client)
	err = w.conn.Query(ctx, selectMessage, w.args.Values(), func(v []driver.Value) error {
		code, ok := v[1].(int64)
		same = ok && sink.Same(m, sink.Text(v[0]), code, sink.Text(v[2])) || seedbug.Is("sqlite-conflict-swallowed")
		return nil
	})
	return same, err
}

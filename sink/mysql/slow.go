package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
	"github.com/ingestd/ingestd/sink"
)

// key is that of a message, with the texts of the message.
type key struct {
	id     string
	seq    int64
	client string
}

func keyOf(m *engine.Message) key { return key{m.ID, m.Seq, m.Client} }

var errOtherKey = engine.Permanent(sink.WithCode(
	errors.New("another unique key of the table has this message already"), "1062"))

// insertNew is the slow path: it looks up what is there, compares it, and
// inserts the rest. Where somebody else inserts one of these in between, it
// returns errSlow, to be tried once more, and then sees that.
func (w *writer) insertNew(ctx context.Context) error {
	g := &w.group
	g.Load(g.Batches, g.Now)
	first := make(map[key]sink.Ref, len(g.Rows))
	var keys []sink.Ref
	for _, r := range g.Rows {
		m := g.Message(r)
		earlier, ok := first[keyOf(m)]
		if !ok {
			first[keyOf(m)] = r
			keys = append(keys, r)
			continue
		}
		e := g.Message(earlier)
		if !sink.Same(m, e.Op, e.Code, sink.Data(e)) {
			return engine.Reject(r.Batch, r.Message, engine.ErrConflict)
		}
		g.Stored(r)
	}
	err := w.lookUp(ctx, keys, func(k key, v []driver.Value) error {
		r, ok := first[k]
		if !ok {
			return nil
		}
		code, _ := v[4].(int64)
		if !sink.Same(g.Message(r), sink.Text(v[3]), code, sink.Text(v[5])) && !seedbug.Is("mysql-conflict-swallowed") {
			return engine.Reject(r.Batch, r.Message, engine.ErrConflict)
		}
		g.Stored(r)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look up messages: %w", err)
	}
	g.Refresh()
	g.Sort()
	if err := w.insertAll(ctx); !errors.Is(err, errSlow) {
		return err
	}
	return w.explain(ctx)
}

// explain finds out why rows that were not there are not there after their
// INSERT: a unique key that the operator has added keeps them out, which is a
// refusal; or somebody else was faster. Of rows behind these no INSERT was sent.
func (w *writer) explain(ctx context.Context) error {
	g := &w.group
	sent := g.Fresh[:w.sent]
	found := make(map[key]bool, len(sent))
	err := w.lookUp(ctx, sent, func(k key, _ []driver.Value) error {
		found[k] = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("look up messages: %w", err)
	}
	for _, r := range sent {
		if !found[keyOf(g.Message(r))] {
			return engine.Reject(r.Batch, r.Message, errOtherKey)
		}
	}
	return errSlow
}

// lookUp calls row for each message that is stored under one of the keys of refs.
func (w *writer) lookUp(
	ctx context.Context, refs []sink.Ref, row func(key, []driver.Value) error,
) error {
	for len(refs) > 0 {
		n := keyShapes[0]
		for _, shape := range keyShapes {
			if shape >= len(refs) {
				n = shape
			}
		}
		w.args.Reset()
		for k := range n {
			m := w.group.Message(refs[min(k, len(refs)-1)])
			w.args.Add(m.ID)
			w.args.Add(m.Seq)
			w.args.Add(m.Client)
		}
		err := w.conn.Query(ctx, w.queries.selectMessages[n], w.args.Values(), func(v []driver.Value) error {
			seq, _ := v[1].(int64)
			return row(key{sink.Text(v[0]), seq, sink.Text(v[2])}, v)
		})
		if err != nil {
			return err
		}
		refs = refs[min(n, len(refs)):]
	}
	return nil
}

package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// writeStreams writes the rows of the streams, each once, in the order of their
// ids.
func (w *writer) writeStreams(ctx context.Context) error {
	if w.queries.upsertStreams == nil {
		return nil
	}
	streams := w.group.Streams
	changed := streams[:0]
	for k := range streams {
		s := &streams[k]
		if s.Changes() {
			changed = append(changed, *s)
			continue
		}
		if s.Again.IsZero() {
			continue
		}
		w.args.Reset()
		w.args.Add(s.ID)
		w.args.Time(s.Again)
		if _, err := w.conn.Exec(ctx, w.queries.reopenStream, w.args.Values()); err != nil {
			return fmt.Errorf("open stream: %w", err)
		}
	}
	for len(changed) > 0 {
		n := sink.Chunk(len(changed), w.limit, shapes, func(k int) int { return sink.StreamSize(&changed[k]) })
		if err := w.upsert(ctx, changed[:n]); err != nil {
			return fmt.Errorf("write streams: %w", err)
		}
		changed = changed[n:]
	}
	return nil
}

func (w *writer) upsert(ctx context.Context, streams []sink.Stream) error {
	reject := func(k int, err error) error {
		s := &streams[k]
		if s.Final == nil {
			return err
		}
		return engine.Reject(s.Batch, len(w.group.Batches[s.Batch].Messages), err)
	}
	if size := sink.StreamSize(&streams[0]); len(streams) == 1 && size > w.packet {
		return reject(0, tooBig(size, w.packet))
	}
	w.args.Reset()
	for k := range streams {
		w.args.Stream(&streams[k])
	}
	_, err := w.conn.Exec(ctx, w.queries.upsertStreams[len(streams)], w.args.Values())
	if err != nil {
		return w.statementError(err, len(streams), reject)
	}
	return nil
}

func (w *writer) results(ctx context.Context) ([]engine.Result, error) {
	one := func(query string, args ...any) (n int64, err error) {
		w.args.Reset()
		for _, arg := range args {
			w.args.Add(arg)
		}
		err = w.conn.Query(ctx, query, w.args.Values(), func(v []driver.Value) error {
			n, _ = v[0].(int64)
			return nil
		})
		if err != nil {
			err = fmt.Errorf("count: %w", err)
		}
		return n, err
	}
	return w.group.Results(
		func(id string) (int64, error) { return one(w.queries.selectRows, id) },
		func(id, client string) (int64, error) {
			return one(w.queries.selectLastSeq, id, client, engine.FirstOwnSeq)
		},
	)
}

package mysql

import (
	"context"
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
	changed, err := w.group.Changed(ctx, w.conn, &w.args, w.queries.reopenStream, w.queries.addToEnded)
	if err != nil {
		return err
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
	return w.group.Results(ctx, w.conn, &w.args, w.queries.selectRows, w.queries.selectLastSeq)
}

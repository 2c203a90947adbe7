package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// upsertStreams adds to what is there. An end of a stream that is done, after no
// new message, changes nothing if it is a disconnect, and not the time if it is
// the same. What is excluded has no end where its status is open.
var upsertStreams = func() map[int]string {
	const (
		ended = "status = 'done' AND excluded.status = 'done' AND excluded.messages = 0"
		gone  = ended + " AND excluded.end_reason = 'disconnect'"
		same  = ended + " AND end_reason = excluded.end_reason" +
			" AND end_code IS excluded.end_code AND end_data IS excluded.end_data"
	)
	set := []string{
		"status = excluded.status",
		"messages = messages + excluded.messages",
	}
	for _, c := range []struct{ column, f string }{
		{"first_seq", "min"}, {"last_seq", "max"}, {"first_at", "min"}, {"last_at", "max"},
	} {
		set = append(set, fmt.Sprintf("%[1]s = coalesce(%[2]s(%[1]s, excluded.%[1]s), %[1]s, excluded.%[1]s)", c.column, c.f))
	}
	set = append(set, "ended_at = CASE WHEN "+gone+" OR "+same+" THEN ended_at ELSE excluded.ended_at END")
	for _, column := range []string{"end_reason", "end_code", "end_data"} {
		set = append(set, fmt.Sprintf("%[1]s = CASE WHEN %[2]s THEN %[1]s ELSE excluded.%[1]s END", column, gone))
	}
	m := make(map[int]string)
	for _, n := range shapes {
		m[n] = "INSERT INTO streams (" + strings.Join(sink.StreamColumns, ", ") + ") VALUES " +
			sink.Tuples(n, len(sink.StreamColumns)) + " ON CONFLICT (id) DO UPDATE SET " + strings.Join(set, ", ")
	}
	return m
}()

const (
	reopenStream = "UPDATE streams SET status = 'open', ended_at = NULL, end_reason = NULL, end_code = NULL," +
		" end_data = NULL WHERE id = ? AND status = 'done' AND ended_at <= ?"
	addToEnded = "UPDATE streams SET messages = messages + ?, first_seq = coalesce(min(first_seq, ?), ?)," +
		" last_seq = coalesce(max(last_seq, ?), ?), first_at = coalesce(min(first_at, ?), ?)," +
		" last_at = coalesce(max(last_at, ?), ?) WHERE id = ? AND status = 'done' AND ended_at > ?"
	selectRows    = "SELECT messages FROM streams WHERE id = ?"
	selectLastSeq = "SELECT seq FROM messages WHERE id = ? AND client = ? AND seq < ? ORDER BY seq DESC LIMIT 1"
)

// writeStreams writes the rows of the streams, each once.
func (w *writer) writeStreams(ctx context.Context) error {
	changed, err := w.group.Changed(ctx, w.conn, &w.args, reopenStream, addToEnded)
	if err != nil {
		return err
	}
	for len(changed) > 0 {
		n := sink.Chunk(len(changed), chunkBytes, shapes, func(k int) int { return sink.StreamSize(&changed[k]) })
		if err := w.upsert(ctx, changed[:n]); err != nil {
			return err
		}
		changed = changed[n:]
	}
	return nil
}

func (w *writer) upsert(ctx context.Context, streams []sink.Stream) error {
	w.args.Reset()
	for k := range streams {
		w.args.Stream(&streams[k])
	}
	_, err := w.conn.Exec(ctx, upsertStreams[len(streams)], w.args.Values())
	switch s := &streams[0]; {
	case err == nil:
		return nil
	case !refused(err):
		return fmt.Errorf("write streams: %w", err)
	case len(streams) > 1: // find the one
		for k := range streams {
			if err := w.upsert(ctx, streams[k:k+1]); err != nil {
				return err
			}
		}
		return permanent(err)
	case s.Final != nil:
		return engine.Reject(s.Batch, len(w.group.Batches[s.Batch].Messages), permanent(err))
	default:
		return permanent(err)
	}
}

func (w *writer) results(ctx context.Context) ([]engine.Result, error) {
	return w.group.Results(ctx, w.conn, &w.args, selectRows, selectLastSeq)
}

package sinktest

import (
	"context"
	"fmt"

	"github.com/ingestd/ingestd/engine"
)

var endRules = []rule{
	{
		name: "stream-row", applies: streams, check: streamRow,
		says: "streams: messages counts what was ever stored; first and last are those of its messages.",
	},
	{
		name: "end", applies: streams, check: end,
		says: "End, not empty: the stream ends after these. Final: the Done that ended it, with its Code and Data.",
	},
	{
		name: "end-again", applies: streams, check: endAgain,
		says: "After an error any part may be stored, and the engine writes the same messages again: an end, too.",
	},
	{
		name: "goes-on-after-its-end", applies: streams, check: goesOn,
		says: "A later message for a stream that is done opens it again.",
	},
	{
		name: "letter-after-the-end", applies: replays, check: letterAfterEnd,
		says: "Replayed: a dead letter takes its place; it opens a stream only if it was received after the end.",
	},
	{
		name: "end-in-the-middle", applies: streams, check: endWithin,
		says: "Batches of one stream may be several, in order; End closes the join.",
	},
	{
		name: "ended", applies: streams, check: endedAt,
		says: "Ended: when that was received, where End is not empty.",
	},
	{
		name: "replay", applies: replays, check: replay,
		says: "A key that is stored already must not fail a Write, and is kept once: written again, in whatever groups, " +
			"what came before an end leaves the stream ended, and what came after it leaves it open.",
	},
}

func replays(t Target) bool { return streams(t) && remembers(t) }

// is compares the row of a stream, but for the times of its messages.
func is(ctx context.Context, t Target, id string, want Stream) (Stream, error) {
	all, err := t.Streams(ctx)
	if err != nil {
		return Stream{}, fmt.Errorf("read back the streams: %w", err)
	}
	got, ok := all[id]
	if !ok {
		return got, fmt.Errorf("there is no stream %q", id)
	}
	compared := got
	compared.FirstAt, compared.LastAt, compared.EndedAt = want.FirstAt, want.LastAt, want.EndedAt
	if compared != want {
		return got, fmt.Errorf("stream %q is %+v, not %+v", id, got, want)
	}
	if got.Done == got.EndedAt.IsZero() {
		return got, fmt.Errorf("stream %q ended at %v, and done is %v", id, got.EndedAt, got.Done)
	}
	return got, nil
}

func open(first, last, n int64) Stream {
	return Stream{Messages: n, FirstSeq: first, LastSeq: last}
}

func done(first, last, n, code int64) Stream {
	return Stream{
		Done: true, Messages: n, FirstSeq: first, LastSeq: last,
		Reason: engine.EndOp, Code: code, Data: `{"done":true}`,
	}
}

func streamRow(ctx context.Context, t Target) error {
	// The later messages are stored first, as when another server had them.
	for _, b := range []engine.Batch{batch("a", 5, 9), batch("a", 2, 6), batch("a", 3, 4)} {
		if _, err := write(ctx, t, b); err != nil {
			return err
		}
	}
	want := open(2, 9, 8)
	if !t.Remembers {
		return nil
	}
	got, err := is(ctx, t, "a", want)
	if err != nil {
		return err
	}
	if first := message("a", 2).Received; !sameTime(got.FirstAt, first) {
		return fmt.Errorf("FirstAt is %v, not %v", got.FirstAt, first)
	}
	if last := message("a", 9).Received; !sameTime(got.LastAt, last) {
		return fmt.Errorf("LastAt is %v, not %v", got.LastAt, last)
	}
	return nil
}

func end(ctx context.Context, t Target) error {
	_, err := write(ctx, t,
		ended(batch("a", 1, 3), 4, 7), gone(batch("b", 1, 2), 2), ended(engine.Batch{ID: "c"}, 1, 9),
		gone(engine.Batch{ID: "d"}, 1))
	if err != nil {
		return err
	}
	want := map[string]Stream{
		"a": done(1, 3, 3, 7),
		"b": {Done: true, Messages: 2, FirstSeq: 1, LastSeq: 2, Reason: engine.EndDisconnect},
		"c": done(0, 0, 0, 9),
		"d": {Done: true, Reason: engine.EndDisconnect},
	}
	for id, stream := range want {
		if _, err := is(ctx, t, id, stream); err != nil {
			return err
		}
	}
	return nil
}

func endAgain(ctx context.Context, t Target) error {
	group := []engine.Batch{ended(batch("a", 1, 3), 4, 7), gone(batch("b", 1, 3), 3)}
	want := map[string]Stream{
		"a": done(1, 3, 3, 7),
		"b": {Done: true, Messages: 3, FirstSeq: 1, LastSeq: 3, Reason: engine.EndDisconnect},
	}
	before := make(map[string]Stream)
	for round := range 3 {
		if _, err := write(ctx, t, group...); err != nil {
			return err
		}
		if !t.Remembers {
			return nil
		}
		for id, stream := range want {
			got, err := is(ctx, t, id, stream)
			if err != nil {
				return fmt.Errorf("round %d: %w", round, err)
			}
			if round > 0 && got != before[id] {
				return fmt.Errorf("the same end again made %+v of %+v", got, before[id])
			}
			before[id] = got
		}
	}
	// The sender that is gone afterwards does not take the Done away.
	if _, err := write(ctx, t, gone(engine.Batch{ID: "a"}, 9)); err != nil {
		return err
	}
	_, err := is(ctx, t, "a", want["a"])
	return err
}

func goesOn(ctx context.Context, t Target) error {
	if _, err := write(ctx, t, ended(batch("a", 1, 3), 4, 7)); err != nil {
		return err
	}
	if _, err := write(ctx, t, batch("a", 5, 6)); err != nil {
		return err
	}
	if _, err := is(ctx, t, "a", open(1, 6, 5)); err != nil {
		return err
	}
	if _, err := write(ctx, t, ended(engine.Batch{ID: "a"}, 8, 1)); err != nil {
		return err
	}
	_, err := is(ctx, t, "a", done(1, 6, 5, 1))
	return err
}

// letterAfterEnd replays messages that were refused: after the Write with the end,
// and in the same.
func letterAfterEnd(ctx context.Context, t Target) error {
	letter := func(id string, k int) engine.Batch {
		b := batch(id, k, k)
		b.Messages[0].Replayed = true
		return b
	}
	for _, writes := range [][][]engine.Batch{
		{{ended(batch("a", 2, 3), 5, 7)}, {letter("a", 1)}, {letter("a", 4)}, {letter("a", 4)}},
		{{ended(batch("b", 2, 3), 5, 7), letter("b", 1), letter("b", 4)}},
		{{ended(engine.Batch{ID: "c"}, 5, 7)}, {letter("c", 1), letter("c", 4)}},
	} {
		for _, group := range writes {
			if _, err := write(ctx, t, group...); err != nil {
				return err
			}
		}
	}
	for id, stream := range map[string]Stream{"a": done(1, 4, 4, 7), "b": done(1, 4, 4, 7), "c": done(1, 4, 2, 7)} {
		got, err := is(ctx, t, id, stream)
		if err != nil {
			return err
		}
		first, last := message(id, 1).Received, message(id, 4).Received
		if !sameTime(got.FirstAt, first) || !sameTime(got.LastAt, last) {
			return fmt.Errorf("FirstAt and LastAt are %v and %v, not %v and %v", got.FirstAt, got.LastAt, first, last)
		}
	}
	for id, want := range map[string]Stream{"a": open(1, 8, 5), "new": open(8, 8, 1)} {
		if _, err := write(ctx, t, letter(id, 8)); err != nil {
			return err
		}
		if _, err := is(ctx, t, id, want); err != nil {
			return err
		}
	}
	return nil
}

func endWithin(ctx context.Context, t Target) error {
	group := []engine.Batch{
		ended(batch("a", 1, 3), 4, 7), batch("a", 5, 6), gone(batch("b", 1, 3), 3), batch("b", 4, 5),
	}
	for round := range 2 {
		if _, err := write(ctx, t, group...); err != nil {
			return err
		}
		if round > 0 && !t.Remembers {
			return nil
		}
		for id, stream := range map[string]Stream{"a": open(1, 6, 5), "b": open(1, 5, 5)} {
			if _, err := is(ctx, t, id, stream); err != nil {
				return fmt.Errorf("round %d: %w", round, err)
			}
		}
	}
	// A replay may group the same messages otherwise.
	for _, b := range group[:2] {
		if _, err := write(ctx, t, b); err != nil {
			return err
		}
	}
	if t.Remembers {
		if _, err := is(ctx, t, "a", open(1, 6, 5)); err != nil {
			return fmt.Errorf("replayed: %w", err)
		}
	}
	return nil
}

// endedAt writes ends that were received long ago, as a replay does.
func endedAt(ctx context.Context, t Target) error {
	want := map[string]engine.Batch{
		"a": ended(batch("a", 1, 3), 4, 7),
		"b": gone(batch("b", 1, 3), 3),
		"c": gone(engine.Batch{ID: "c"}, 5),
	}
	if _, err := write(ctx, t, want["a"], want["b"], want["c"]); err != nil {
		return err
	}
	all, err := t.Streams(ctx)
	if err != nil {
		return fmt.Errorf("read back the streams: %w", err)
	}
	for id, b := range want {
		if got := all[id].EndedAt; !sameTime(got, b.Ended) {
			return fmt.Errorf("EndedAt of %q is %v, not %v", id, got, b.Ended)
		}
	}
	return nil
}

// replay writes again, after a crash say, the whole of a log or its first part, in
// one Write or in several.
func replay(ctx context.Context, t Target) error {
	for name, end := range map[string]func(engine.Batch) engine.Batch{
		"done":       func(b engine.Batch) engine.Batch { return ended(b, 3, 7) },
		"disconnect": func(b engine.Batch) engine.Batch { return gone(b, 3) },
	} {
		for _, c := range []struct {
			name   string
			writes func(id string) [][]engine.Batch
			done   bool
		}{
			{"one Write", func(id string) [][]engine.Batch {
				return [][]engine.Batch{{end(batch(id, 1, 3)), batch(id, 4, 5)}}
			}, false},
			{"three Writes", func(id string) [][]engine.Batch {
				return [][]engine.Batch{{batch(id, 1, 3)}, {end(engine.Batch{ID: id})}, {batch(id, 4, 5)}}
			}, false},
			{"one Write, up to the end", func(id string) [][]engine.Batch {
				return [][]engine.Batch{{end(batch(id, 1, 3))}}
			}, true},
			{"two Writes, up to the end", func(id string) [][]engine.Batch {
				return [][]engine.Batch{{batch(id, 1, 3)}, {end(engine.Batch{ID: id})}}
			}, true},
		} {
			id := name + " " + c.name
			for round := range 3 {
				for _, group := range c.writes(id) {
					if _, err := write(ctx, t, group...); err != nil {
						return err
					}
				}
				all, err := t.Streams(ctx)
				if err != nil {
					return fmt.Errorf("read back the streams: %w", err)
				}
				if all[id].Done != c.done {
					return fmt.Errorf("%s, in %s, round %d: done is %v", name, c.name, round, all[id].Done)
				}
			}
		}
	}
	return nil
}

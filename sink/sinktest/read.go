package sinktest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

var readRules = []rule{
	{
		name: "reads-newest", check: readsNewest, applies: reads,
		says: "Read gives the row of the stream and its messages with the highest numbers, last of them at most, " +
			"the highest first.",
	},
	{
		name: "reads-one-stream", check: readsOneStream, applies: reads,
		says: "The id is compared byte by byte. A stream that nothing is stored of is no error.",
	},
	{
		name: "reads-bounded", check: readsBounded, applies: reads,
		says: "It gives fewer where these are more than MaxRead messages or MaxReadBytes of data, but at least one.",
	},
	{
		name: "reads-until-close", check: readsUntilClose, applies: reads,
		says: "It returns soon after ctx ends. After Close it returns an error.",
	},
}

// read asks the sink below t, which is wrapped while a rule is checked.
func read(ctx context.Context, t Target, id string, last int) (sink.Stored, error) {
	s := t.Sink
	if c, ok := s.(*closer); ok {
		s = c.Sink
	}
	stored, err := s.(sink.Reader).Read(ctx, id, last)
	if err != nil {
		return stored, fmt.Errorf("Read: %w", err)
	}
	return stored, nil
}

func readsNewest(ctx context.Context, t Target) error {
	group := []engine.Batch{ended(batch("a", 1, 5), 6, 7), batch("b", 1, 3)}
	if _, err := write(ctx, t, group...); err != nil {
		return err
	}
	for last, first := range map[int]int{0: 6, 2: 4, 5: 1, 50: 1} {
		stored, err := read(ctx, t, "a", last)
		if err != nil {
			return err
		}
		if want := 6 - first; len(stored.Messages) != want {
			return fmt.Errorf("of 5 messages the last %d are %d", last, len(stored.Messages))
		}
		for k, row := range stored.Messages {
			if err := sameMessage(rowOf(row), message("a", 5-k)); err != nil {
				return fmt.Errorf("the message in place %d of the last %d: %w", k, last, err)
			}
		}
		if err := sameRow(stored.Stream, t); err != nil {
			return err
		}
	}
	open, err := read(ctx, t, "b", 1)
	if err != nil {
		return err
	}
	if s := open.Stream; s != nil && (s.Status != "open" || !s.EndedAt.IsZero() || s.EndReason != "" || s.EndData != "") {
		return fmt.Errorf("the row of a stream that goes on is %+v", *s)
	}
	return nil
}

// sameRow compares the row of the stream a, if the sink keeps any.
func sameRow(got *sink.StreamRow, t Target) error {
	if t.Streams == nil {
		if got != nil {
			return fmt.Errorf("there are no rows of streams, and Read gives %+v", *got)
		}
		return nil
	}
	if got == nil {
		return errors.New("there is no row of the stream")
	}
	first, last, end := message("a", 1), message("a", 5), ended(engine.Batch{ID: "a"}, 6, 7)
	if got.ID != "a" || got.Status != "done" || got.Messages != 5 || got.FirstSeq != first.Seq || got.LastSeq != last.Seq ||
		!sameTime(got.FirstAt, first.Received) || !sameTime(got.LastAt, last.Received) || !sameTime(got.EndedAt, end.Ended) ||
		got.EndReason != "op" || got.EndCode != 7 || got.EndData != string(end.Final.Data) {
		return fmt.Errorf("the row of the stream is %+v", *got)
	}
	return nil
}

func rowOf(row sink.StoredMessage) engine.Message {
	return engine.Message{
		ID: row.ID, Seq: row.Seq, Client: row.Client, Op: row.Op, Code: row.Code, Time: row.SentAt, Received: row.ReceivedAt,
		Remote: row.Remote, Sender: row.Sender, Data: []byte(row.Data),
	}
}

func readsOneStream(ctx context.Context, t Target) error {
	ids := []string{"A", "a", "a ", "a\x00", "á", "á"}
	for _, id := range ids {
		if _, err := write(ctx, t, batch(id, 1, 1)); err != nil {
			return err
		}
	}
	for _, id := range ids {
		stored, err := read(ctx, t, id, 10)
		if err != nil {
			return err
		}
		if len(stored.Messages) != 1 || stored.Messages[0].ID != id || stored.Stream != nil && stored.Stream.ID != id {
			return fmt.Errorf("of %q there are %d messages, and the row %+v", id, len(stored.Messages), stored.Stream)
		}
	}
	for _, id := range []string{"b", "", "a  ", "%", strings.Repeat("x", engine.MaxIDLen+1)} {
		stored, err := read(ctx, t, id, 10)
		if err != nil {
			return fmt.Errorf("of a stream that is not there: %w", err)
		}
		if len(stored.Messages) > 0 || stored.Stream != nil {
			return fmt.Errorf("of %q, which is not there, Read gives %+v", id, stored)
		}
	}
	return nil
}

func readsBounded(ctx context.Context, t Target) error {
	if _, err := write(ctx, t, batch("many", 1, sink.MaxRead+10)); err != nil {
		return err
	}
	stored, err := read(ctx, t, "many", sink.MaxRead+5)
	if err != nil {
		return err
	}
	if len(stored.Messages) != sink.MaxRead {
		return fmt.Errorf("Read gives %d messages", len(stored.Messages))
	}
	const each, count = 2 << 20, sink.MaxReadBytes>>21 + 2
	for k := range count {
		b := batch("large", k+1, k+1)
		b.Messages[0].Data = []byte(`"` + strings.Repeat("x", each-2) + `"`)
		if _, err := write(ctx, t, b); err != nil {
			return err
		}
	}
	if stored, err = read(ctx, t, "large", count); err != nil {
		return err
	}
	if n := len(stored.Messages); n != sink.MaxReadBytes/each {
		return fmt.Errorf("of %d messages with %d bytes each, Read gives %d", count, each, n)
	}
	return nil
}

func readsUntilClose(ctx context.Context, t Target) error {
	if _, err := write(ctx, t, batch("a", 1, 5)); err != nil {
		return err
	}
	if stored, err := read(ctx, t, "a", 1); err != nil || len(stored.Messages) != 1 {
		return fmt.Errorf("Read gives %d messages: %w", len(stored.Messages), err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := read(ended, t, "a", 1); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("when its context has ended, Read does not return that: %w", cmp.Or(err, errors.New("no error")))
	}
	if err := t.Sink.Close(); err != nil {
		return err
	}
	if _, err := read(ctx, t, "a", 1); err == nil {
		return errors.New("after Close, Read returns no error")
	}
	return nil
}

package sinktest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ingestd/ingestd/engine"
)

var duplicateRules = []rule{
	{
		name: "written-again", applies: remembers, check: writtenAgain,
		says: "A key (ID, Seq, Client) that is stored already with the same Op, Code and Data must not fail a Write, " +
			"and is kept once. Result.Duplicates: messages of the batch that were stored already.",
	},
	{
		name: "some-are-new", applies: remembers, check: someNew,
		says: "After an error any part may be stored, and the engine writes the same messages again, in order.",
	},
	{
		name: "same-key-twice", applies: remembers, check: twice,
		says: "The same key may come twice in one Write.",
	},
	{
		name: "conflict", applies: remembers, check: conflict,
		says: "A key that is stored already, with other content, is a Reject of ErrConflict.",
	},
	{
		name: "conflict-in-one-write", applies: remembers, check: conflictWithin,
		says: "The same key may come twice in one Write; with other content it is a Reject of ErrConflict.",
	},
	{
		name: "client-is-part-of-the-key", applies: remembers, check: clients,
		says: "Client: whose Seq it is.",
	},
	{
		name: "last-seq", applies: func(t Target) bool { return t.Resumes }, check: lastSeq,
		says: "LastSeq: of the client named in Resume, below FirstOwnSeq; 0 for none.",
	},
	{
		name: "rows", applies: func(t Target) bool { return t.Counts }, check: rows,
		says: "Rows: of the stream, in all; asked for where the batch has an End.",
	},
}

// duplicates compares the numbers of duplicates.
func duplicates(results []engine.Result, want ...int) error {
	for i := range results {
		if results[i].Duplicates != want[i] {
			return fmt.Errorf("batch %d: Duplicates is %d, not %d", i, results[i].Duplicates, want[i])
		}
	}
	return nil
}

func writtenAgain(ctx context.Context, t Target) error {
	group := []engine.Batch{batch("a", 1, 10), batch("b", 1, 3), batch("b", 4, 6)}
	for round := range 3 {
		if round == 2 { // sent again over another connection, with another clock
			for i := range group {
				for j := range group[i].Messages {
					m := &group[i].Messages[j]
					m.Remote, m.Sender, m.Time, m.Received = "192.0.2.99:1", "else", epoch, epoch
				}
			}
		}
		results, err := write(ctx, t, group...)
		if err != nil {
			return err
		}
		want := []int{0, 0, 0}
		if round > 0 {
			want = []int{10, 3, 3}
		}
		if err := duplicates(results, want...); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return holds(ctx, t, messagesOf(batch("a", 1, 10), batch("b", 1, 6)))
}

func someNew(ctx context.Context, t Target) error {
	if _, err := write(ctx, t, batch("a", 4, 6), batch("b", 1, 5)); err != nil {
		return err
	}
	results, err := write(ctx, t, batch("a", 1, 10), batch("b", 4, 8), batch("c", 1, 2))
	if err != nil {
		return err
	}
	if err := duplicates(results, 3, 2, 0); err != nil {
		return err
	}
	return holds(ctx, t, messagesOf(batch("a", 1, 10), batch("b", 1, 8), batch("c", 1, 2)))
}

func twice(ctx context.Context, t Target) error {
	inBatch := batch("a", 1, 5)
	inBatch.Messages = append(inBatch.Messages, message("a", 2), message("a", 5))
	results, err := write(ctx, t, inBatch, batch("b", 1, 5), batch("b", 4, 8))
	if err != nil {
		return err
	}
	if err := duplicates(results, 2, 0, 2); err != nil {
		return err
	}
	return holds(ctx, t, messagesOf(batch("a", 1, 5), batch("b", 1, 8)))
}

// others are messages with the key of m and other content.
func others(m engine.Message) []engine.Message {
	all := []engine.Message{m, m, m}
	all[0].Op = "other"
	all[1].Code++
	all[2].Data = []byte(`{"other":true}`)
	return all
}

func conflict(ctx context.Context, t Target) error {
	if _, err := write(ctx, t, batch("a", 1, 5), batch("b", 1, 5)); err != nil {
		return err
	}
	for _, other := range others(message("b", 3)) {
		b := batch("b", 1, 6)
		b.Messages[2] = other
		if err := rejects(ctx, t, []engine.Batch{batch("a", 4, 8), b}, 1, 2); err != nil {
			return err
		}
		b.Messages = slices.Delete(b.Messages, 2, 3)
		if _, err := write(ctx, t, batch("a", 4, 8), b); err != nil {
			return fmt.Errorf("the others: %w", err)
		}
	}
	return holds(ctx, t, messagesOf(batch("a", 1, 8), batch("b", 1, 6)))
}

func conflictWithin(ctx context.Context, t Target) error {
	for k, other := range others(message("b", 2)) {
		id := fmt.Sprintf("b%d", k)
		other.ID = id
		first, second := batch(id, 1, 3), batch(id, 4, 6)
		second.Messages = append([]engine.Message{other}, second.Messages...)
		if err := rejects(ctx, t, []engine.Batch{batch("a", 1, 3), first, second}, 2, 0); err != nil {
			return err
		}
		if _, err := write(ctx, t, batch("a", 1, 3), first, batch(id, 4, 6)); err != nil {
			return fmt.Errorf("the others: %w", err)
		}
	}
	return holds(ctx, t, messagesOf(batch("a", 1, 3), batch("b0", 1, 6), batch("b1", 1, 6), batch("b2", 1, 6)))
}

// rejects writes batches, of which the message j of batch i is in conflict.
func rejects(ctx context.Context, t Target, batches []engine.Batch, i, j int) error {
	_, err := t.Sink.Write(ctx, batches)
	var reject *engine.RejectError
	switch {
	case err == nil:
		return fmt.Errorf("Write of a key with other content gave no error")
	case !errors.Is(err, engine.ErrConflict):
		return fmt.Errorf("Write of a key with other content did not give ErrConflict but: %w", err)
	case !errors.As(err, &reject):
		return fmt.Errorf("the conflict is no Reject: %w", err)
	case reject.Batch != i || reject.Message != j:
		return fmt.Errorf("Reject named message %d of batch %d, not %d of %d", reject.Message, reject.Batch, j, i)
	}
	return nil
}

func clients(ctx context.Context, t Target) error {
	mine, yours := batch("a", 1, 3), batch("a", 1, 3)
	for j := range yours.Messages {
		yours.Messages[j].Client = "tablet-1"
		yours.Messages[j].Data = []byte(`"yours"`)
	}
	for _, b := range []engine.Batch{mine, yours} {
		results, err := write(ctx, t, b)
		if err != nil {
			return err
		}
		if err := duplicates(results, 0); err != nil {
			return err
		}
	}
	want := []engine.Message{}
	for j := range mine.Messages {
		want = append(want, mine.Messages[j], yours.Messages[j])
	}
	return holds(ctx, t, want)
}

func lastSeq(ctx context.Context, t Target) error {
	own := batch("a", 1, 1)
	own.Messages[0].Client, own.Messages[0].Seq = "", engine.FirstOwnSeq+5
	high := batch("a", 1, 1)
	high.Messages[0].Seq = engine.FirstOwnSeq + 6
	yours := batch("a", 90, 90)
	yours.Messages[0].Client = "tablet-1"
	if _, err := write(ctx, t, own, high, yours, batch("b", 77, 77)); err != nil {
		return err
	}
	for _, step := range []struct {
		batch engine.Batch
		want  int64
	}{
		{engine.Batch{ID: "a"}, 0},
		{batch("a", 1, 5), 5},
		{batch("a", 3, 5), 5}, // duplicates
		{engine.Batch{ID: "a"}, 5},
		{batch("a", 8, 9), 9},
		{batch("a", 6, 7), 9},
		{engine.Batch{ID: "new"}, 0},
	} {
		step.batch.Resume = "phone-7"
		results, err := write(ctx, t, step.batch)
		if err != nil {
			return err
		}
		if got := results[0].LastSeq; got != step.want {
			return fmt.Errorf("LastSeq of %q is %d, not %d", step.batch.ID, got, step.want)
		}
	}
	return nil
}

func rows(ctx context.Context, t Target) error {
	for _, step := range []struct {
		batch engine.Batch
		want  int64
	}{
		{engine.Batch{ID: "a"}, 0},
		{batch("a", 1, 5), 5},
		{batch("a", 4, 8), 8}, // with duplicates
		{engine.Batch{ID: "a"}, 8},
		{batch("b", 1, 2), 2},
	} {
		results, err := write(ctx, t, ended(step.batch, 9, 0))
		if err != nil {
			return err
		}
		if got := results[0].Rows; got != step.want {
			return fmt.Errorf("Rows of %q is %d, not %d", step.batch.ID, got, step.want)
		}
	}
	results, err := write(ctx, t, ended(batch("c", 1, 3), 4, 0), ended(batch("c", 5, 6), 7, 0))
	if err != nil {
		return err
	}
	if results[1].Rows != 5 {
		return fmt.Errorf("Rows of the second of two ends is %d, not 5", results[1].Rows)
	}
	return nil
}

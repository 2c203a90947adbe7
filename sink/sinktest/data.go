package sinktest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// epoch is when the messages of the kit happen.
var epoch = time.Date(2024, 5, 7, 3, 33, 20, 0, time.UTC)

// message is the k-th message of a stream, as a named client would number it.
func message(id string, k int) engine.Message {
	at := epoch.Add(time.Duration(k)*time.Second + 123456*time.Microsecond)
	return engine.Message{
		ID:       id,
		Seq:      int64(k),
		Client:   "phone-7",
		Op:       "report",
		Code:     int64(k % 3),
		Time:     at,
		Received: at.Add(250 * time.Millisecond),
		Remote:   "192.0.2.7:5123",
		Sender:   "somebody",
		Data:     fmt.Appendf(nil, `{"n":%d,"text":"message %d"}`, k, k),
	}
}

// batch holds the messages of a stream with the numbers from..to.
func batch(id string, from, to int) engine.Batch {
	b := engine.Batch{ID: id}
	for k := from; k <= to; k++ {
		b.Messages = append(b.Messages, message(id, k))
	}
	return b
}

// ended is b, and the end of its stream, by a Done that was received after the
// message at.
func ended(b engine.Batch, at int, code int64) engine.Batch {
	final := message(b.ID, at)
	final.Kind, final.Seq, final.Client, final.Code = engine.Done, 0, "", code
	final.Received = final.Received.Add(time.Millisecond)
	final.Data = []byte(`{"done":true}`)
	b.End, b.Ended, b.Final = engine.EndOp, final.Received, &final
	return b
}

// gone is b, and the end of its stream, by a Disconnect that was received after
// the message at.
func gone(b engine.Batch, at int) engine.Batch {
	b.End, b.Ended = engine.EndDisconnect, message(b.ID, at).Received.Add(time.Millisecond)
	return b
}

// clone copies batches with all their memory.
func clone(batches []engine.Batch) []engine.Batch {
	batches = slices.Clone(batches)
	for i := range batches {
		b := &batches[i]
		b.Messages = slices.Clone(b.Messages)
		for j := range b.Messages {
			b.Messages[j].Data = bytes.Clone(b.Messages[j].Data)
		}
		if b.Final != nil {
			final := *b.Final
			final.Data = bytes.Clone(final.Data)
			b.Final = &final
		}
	}
	return batches
}

// write stores batches, which must succeed, and returns as many results.
func write(ctx context.Context, t Target, batches ...engine.Batch) ([]engine.Result, error) {
	results, err := t.Sink.Write(ctx, batches)
	if err != nil {
		return nil, fmt.Errorf("Write: %w", err)
	}
	if results == nil {
		results = make([]engine.Result, len(batches))
	}
	if len(results) != len(batches) {
		return nil, fmt.Errorf("Write of %d batches gave %d results", len(batches), len(results))
	}
	return results, nil
}

// messagesOf gives all messages of batches.
func messagesOf(batches ...engine.Batch) []engine.Message {
	var all []engine.Message
	for _, b := range batches {
		all = append(all, b.Messages...)
	}
	return all
}

// holds compares what is stored with want, stream by stream, in order.
func holds(ctx context.Context, t Target, want []engine.Message) error {
	got, err := t.Rows(ctx)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	want = slices.Clone(want)
	byStream := func(a, b engine.Message) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortStableFunc(got, byStream)
	slices.SortStableFunc(want, byStream)
	for k := range min(len(got), len(want)) {
		if err := sameMessage(got[k], want[k]); err != nil {
			return fmt.Errorf("row %d is (%s), not (%s): %w; %d rows are stored, %d were written",
				k, name(got[k]), name(want[k]), err, len(got), len(want))
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d rows are stored, not %d", len(got), len(want))
	}
	return nil
}

func name(m engine.Message) string {
	return fmt.Sprintf("id %q, seq %d, client %q", m.ID, m.Seq, m.Client)
}

func sameMessage(got, want engine.Message) error {
	if want.Time.IsZero() {
		want.Time = want.Received
	}
	if len(want.Data) == 0 {
		want.Data = []byte("null")
	}
	switch {
	case got.ID != want.ID, got.Seq != want.Seq, got.Client != want.Client:
		return errors.New("another key")
	case got.Op != want.Op:
		return fmt.Errorf("op is %q, not %q", got.Op, want.Op)
	case got.Code != want.Code:
		return fmt.Errorf("code is %d, not %d", got.Code, want.Code)
	case !sameTime(got.Time, want.Time):
		return fmt.Errorf("time is %v, not %v", got.Time, want.Time)
	case !sameTime(got.Received, want.Received):
		return fmt.Errorf("received is %v, not %v", got.Received, want.Received)
	case got.Remote != want.Remote:
		return fmt.Errorf("remote is %q, not %q", got.Remote, want.Remote)
	case got.Sender != want.Sender:
		return fmt.Errorf("sender is %q, not %q", got.Sender, want.Sender)
	case !bytes.Equal(got.Data, want.Data):
		return fmt.Errorf("data is %.80q, not %.80q", got.Data, want.Data)
	}
	return nil
}

func sameTime(a, b time.Time) bool {
	return a.Truncate(time.Microsecond).Equal(b.Truncate(time.Microsecond))
}

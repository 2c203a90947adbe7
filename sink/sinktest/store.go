package sinktest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ingestd/ingestd/engine"
)

var storeRules = []rule{
	{
		name: "durable", check: durable,
		says: "Write returns nil once all batches are durable.",
	},
	{
		name: "order", check: order,
		says: "Batches of one stream may be several, in order.",
	},
	{
		name: "content", check: content,
		says: "A Message is stored with its Op, Code, Time, Received, Remote, Sender and Data, JSON as sent.",
	},
	{
		name: "ids-bytewise", check: bytewise,
		says: "ID: 1 to MaxIDLen bytes of UTF-8, compared byte by byte.",
	},
	{
		name: "nothing-to-write", check: nothing,
		says: "A batch may have no messages, where its End or Resume says something.",
	},
	{
		name: "many-streams", check: manyStreams,
		says: "Batches of different streams are sorted by ID. (There may be as many as Options.GroupSize.)",
	},
	{
		name: "large", check: large,
		says: "A group has at most GroupBytes bytes of data, unless a single message is larger.",
	},
	{
		name: "refusal", check: refusal,
		says: "Reject(i, j, err) says that the message j of batch i is refused for good. " +
			"The engine settles that message with err and writes the others again.",
	},
	{
		name: "concurrent", check: concurrent,
		says: "The engine calls Write concurrently for different streams.",
	},
	{
		name: "context", check: contextEnds,
		says: "Write returns soon after ctx ends.",
	},
}

func durable(ctx context.Context, t Target) error {
	b := batch("17", 1, 10)
	if _, err := write(ctx, t, b); err != nil {
		return err
	}
	if err := holds(ctx, t, b.Messages); err != nil {
		return err
	}
	if err := t.Sink.Close(); err != nil {
		return fmt.Errorf("Close: %w", err)
	}
	if err := holds(ctx, t, b.Messages); err != nil {
		return fmt.Errorf("after Close: %w", err)
	}
	return nil
}

func order(ctx context.Context, t Target) error {
	var all []engine.Batch
	next := engine.FirstOwnSeq
	for round := range 5 {
		var group []engine.Batch
		for _, id := range []string{"a", "a", "b", "c", "c", "c"} {
			b := batch(id, round*10+1, round*10+7)
			for j := range b.Messages {
				b.Messages[j].Client, b.Messages[j].Seq = "", next
				next++
			}
			group = append(group, b)
		}
		if _, err := write(ctx, t, group...); err != nil {
			return err
		}
		all = append(all, group...)
	}
	return holds(ctx, t, messagesOf(all...))
}

func content(ctx context.Context, t Target) error {
	b := engine.Batch{ID: "content"}
	add := func(change func(m *engine.Message)) {
		m := message(b.ID, len(b.Messages)+1)
		change(&m)
		b.Messages = append(b.Messages, m)
	}
	for _, data := range []string{
		`null`, `""`, `0`, `[]`, `true`, `{ "white" :  "space" }`, `{"b":1,"a":2,"b":3}`,
		`1.000000000000000000000001`, `123456789012345678901234567890`, `"\u0000 \ud83d\ude00 \/"`,
		`"😀 Grüße 漢字"`, `"it's \"quoted\" \\ and 100 % %s ? :x @y"`, `"'; DROP TABLE messages; --"`, "",
	} {
		add(func(m *engine.Message) { m.Data = []byte(data) })
	}
	for _, code := range []int64{math.MinInt64, -1, 0, math.MaxInt64} {
		add(func(m *engine.Message) { m.Code = code })
	}
	add(func(m *engine.Message) { m.Op, m.Remote, m.Sender, m.Client = "", "", "", "" })
	add(func(m *engine.Message) { m.Op = "Ünïcode 😀 op " })
	add(func(m *engine.Message) { m.Sender = "O'Neill \"\\\n" })
	add(func(m *engine.Message) { m.Seq = engine.FirstOwnSeq - 1 })
	add(func(m *engine.Message) { m.Time = time.Time{} })
	add(func(m *engine.Message) { m.Time = time.Date(1999, 12, 31, 23, 59, 59, 999_999_999, time.UTC) })
	add(func(m *engine.Message) { m.Time = epoch.In(time.FixedZone("east", 8*3600)) })
	slices.SortFunc(b.Messages, func(x, y engine.Message) int { return int(min(1, max(-1, x.Seq-y.Seq))) })
	if _, err := write(ctx, t, b); err != nil {
		return err
	}
	return holds(ctx, t, b.Messages)
}

func bytewise(ctx context.Context, t Target) error {
	ids := []string{
		"17", "017", "17.0", "a", "A", "a ", " a", "a  ", "á", "a\u0301", "😀", "a\tb", "a\nb", "a'b", `a"b`,
		`a\b`, "a%b", "a_b", "a`b", "a;b", "a/../b", "null", "<b>", "a\x00b", strings.Repeat("x", engine.MaxIDLen),
		strings.Repeat("x", engine.MaxIDLen-1) + " ",
	}
	slices.Sort(ids)
	clients := []string{"", "c", "C", "c ", "c'", strings.Repeat("y", engine.MaxClientLen)}
	var group []engine.Batch
	for _, id := range ids {
		b := engine.Batch{ID: id}
		for _, client := range clients {
			m := message(id, 1)
			m.Client = client
			b.Messages = append(b.Messages, m)
		}
		slices.SortFunc(b.Messages, func(x, y engine.Message) int { return strings.Compare(x.Client, y.Client) })
		group = append(group, b)
	}
	if _, err := write(ctx, t, group...); err != nil {
		return err
	}
	return holds(ctx, t, messagesOf(group...))
}

func nothing(ctx context.Context, t Target) error {
	if _, err := write(ctx, t); err != nil {
		return fmt.Errorf("no batches: %w", err)
	}
	group := []engine.Batch{
		{ID: "a", Resume: "phone-7"},
		{ID: "b", End: engine.EndDisconnect},
		{ID: "c"},
		ended(engine.Batch{ID: "d"}, 1, 0),
	}
	if _, err := write(ctx, t, group...); err != nil {
		return err
	}
	return holds(ctx, t, nil)
}

func manyStreams(ctx context.Context, t Target) error {
	var group []engine.Batch
	for k := range 1234 {
		group = append(group, batch(fmt.Sprintf("stream-%05d", k), 1, 1+k%3))
	}
	if _, err := write(ctx, t, group...); err != nil {
		return err
	}
	return holds(ctx, t, messagesOf(group...))
}

func large(ctx context.Context, t Target) error {
	var group []engine.Batch
	for k, size := range []int{1 << 20, 3 << 20, 100, 1 << 20, 8 << 20, 64 << 10} {
		b := batch(fmt.Sprintf("large-%d", k), 1, 3)
		b.Messages[1].Data = []byte(`"` + strings.Repeat("0123456789abcdef", size/16) + `"`)
		group = append(group, b)
	}
	if _, err := write(ctx, t, group...); err != nil {
		return err
	}
	return holds(ctx, t, messagesOf(group...))
}

// refusal gives the sink a message that many cannot store, and does what the
// engine does. A sink that stores it keeps the contract, too.
func refusal(ctx context.Context, t Target) error {
	group := []engine.Batch{batch("a", 1, 5), batch("b", 1, 5), batch("c", 1, 5)}
	group[1].Messages[3].Data = []byte("\"\xff\xfe\"")
	_, err := t.Sink.Write(ctx, clone(group))
	if err == nil {
		return holds(ctx, t, messagesOf(group...))
	}
	if !engine.IsPermanent(err) {
		return fmt.Errorf("Write of a message that is no UTF-8 gave an error that is not permanent: %w", err)
	}
	var reject *engine.RejectError
	if errors.As(err, &reject) && (reject.Batch != 1 || reject.Message != 3) {
		return fmt.Errorf("Reject named message %d of batch %d, not 3 of 1", reject.Message, reject.Batch)
	}
	group[1].Messages = slices.Delete(group[1].Messages, 3, 4)
	want := messagesOf(group...)
	if _, err := write(ctx, t, group...); err != nil {
		return fmt.Errorf("the others: %w", err)
	}
	return holdsAtLeast(ctx, t, want)
}

func concurrent(ctx context.Context, t Target) error {
	const writers, rounds = 8, 10
	errs := make([]error, writers)
	all := make([][]engine.Batch, writers)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for k := range writers {
		for r := range rounds {
			for n := range 3 {
				all[k] = append(all[k], batch(fmt.Sprintf("stream-%d-%d", n, k), r*10+1, r*10+10))
			}
		}
		wg.Go(func() {
			<-start
			for r := range rounds {
				if _, err := write(ctx, t, all[k][r*3:r*3+3]...); err != nil {
					errs[k] = err
					return
				}
			}
		})
	}
	close(start)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return holds(ctx, t, messagesOf(slices.Concat(all...)...))
}

// soon is how long a Write may take once its context has ended.
const soon = 10 * time.Second

func contextEnds(ctx context.Context, t Target) error {
	b := batch("17", 1, 500)
	for k := range 20 {
		canceled, cancel := context.WithCancel(ctx)
		if k == 0 {
			cancel()
		} else {
			time.AfterFunc(time.Duration(k)*200*time.Microsecond, cancel)
		}
		back := make(chan error, 1)
		go func() {
			_, err := t.Sink.Write(canceled, []engine.Batch{b})
			back <- err
		}()
		timer := time.NewTimer(soon)
		select {
		case err := <-back:
			timer.Stop()
			cancel()
			if engine.IsPermanent(err) || engine.IsBlocked(err) {
				return fmt.Errorf("Write with a context that ended gave an error that is not transient: %w", err)
			}
		case <-timer.C:
			cancel()
			return fmt.Errorf("Write did not return within %v of the end of its context", soon)
		}
	}
	if _, err := write(ctx, t, b); err != nil {
		return fmt.Errorf("with a context that goes on: %w", err)
	}
	return holdsAtLeast(ctx, t, b.Messages)
}

// holdsAtLeast is holds for what has been written several times: a sink that
// does not remember has it more than once.
func holdsAtLeast(ctx context.Context, t Target, want []engine.Message) error {
	if t.Remembers {
		return holds(ctx, t, want)
	}
	rows, err := t.Rows(ctx)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	for _, m := range want {
		if !slices.ContainsFunc(rows, func(row engine.Message) bool { return sameMessage(row, m) == nil }) {
			return fmt.Errorf("(%s) is not stored", name(m))
		}
	}
	return nil
}

package sinktest

import (
	"context"
	"errors"
	"reflect"

	"github.com/ingestd/ingestd/engine"
)

var memoryRules = []rule{
	{
		name: "changes-nothing", check: changesNothing,
		says: "Write changes no batch.",
	},
	{
		name: "keeps-no-memory", check: keepsNothing,
		says: "Write keeps none of the memory of the batches.",
	},
}

func changesNothing(ctx context.Context, t Target) error {
	group := []engine.Batch{batch("a", 1, 10), ended(batch("b", 1, 3), 3, 7), batch("b", 4, 5)}
	group[0].Messages[3], group[0].Messages[4] = group[0].Messages[4], group[0].Messages[3]
	group[2].Resume = "phone-7"
	before := clone(group)
	for range 2 { // the second time as duplicates
		if _, err := write(ctx, t, group...); err != nil {
			return err
		}
		if !reflect.DeepEqual(group, before) {
			return errors.New("after Write the batches are not what they were")
		}
	}
	return nil
}

// keepsNothing writes over the memory of the batches after each Write, as the
// engine does when it uses it for the next ones.
func keepsNothing(ctx context.Context, t Target) error {
	var want []engine.Message
	for round := range 3 {
		group := []engine.Batch{batch("a", round*10+1, round*10+10), ended(batch("b", round*10+1, round*10+5), round*10+6, 1)}
		want = append(want, messagesOf(clone(group)...)...)
		if _, err := write(ctx, t, group...); err != nil {
			return err
		}
		for i := range group {
			for j := range group[i].Messages {
				m := &group[i].Messages[j]
				scribble(m.Data)
				*m = engine.Message{ID: "scribble", Seq: -1}
			}
			if group[i].Final != nil {
				scribble(group[i].Final.Data)
			}
			group[i] = engine.Batch{ID: "scribble"}
		}
	}
	return holds(ctx, t, want)
}

func scribble(b []byte) {
	for k := range b {
		b[k] = 'x'
	}
}

package nats

import (
	"encoding/json"
	"maps"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingestd/ingestd/internal/jet"
)

// A carrier is stale that does not come after the others of its flow.
func TestStaleCarriers(t *testing.T) {
	f := make(flows)
	for i, step := range []struct {
		flow, n uint64
		stale   bool
	}{{1, 5, false}, {1, 5, true}, {2, 1, false}, {1, 3, true}, {1, 7, false}, {1, 6, true}, {0, 0, false}, {0, 0, true}} {
		h := jet.Header{Flow: step.flow, N: step.n}
		if f.stale(h) != step.stale {
			t.Errorf("step %d: stale is %v", i, !step.stale)
		}
		f.pass(h, testTime)
	}
	if f[1].n != 7 {
		t.Error("the last of flow 1 is", f[1].n)
	}
}

// What is written of flows is read again.
func TestFlowsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.MapOf(rapid.Uint64(), rapid.Custom(func(t *rapid.T) flowMark {
			return flowMark{rapid.Uint64().Draw(t, "n"), rapid.Int64Range(0, math.MaxInt64).Draw(t, "at")}
		})).Draw(t, "flows")
		b, err := json.Marshal(place{Flows: f})
		if err != nil {
			t.Fatal(err)
		}
		var back place
		if err := json.Unmarshal(b, &back); err != nil || !maps.Equal(back.Flows, flows(f)) {
			t.Fatalf("%v: %s: %v", err, b, back.Flows)
		}
	})
}

// Flows are forgotten a day after their last carrier, and the oldest where they are
// too many.
func TestFlowsAreForgotten(t *testing.T) {
	f := make(flows)
	f.pass(jet.Header{Flow: 1, N: 1}, testTime)
	f.pass(jet.Header{Flow: 2, N: 1}, testTime.Add(time.Second))
	f.forget(testTime.Add(flowAge))
	if len(f) != 2 {
		t.Error("forgotten too early")
	}
	f.forget(testTime.Add(flowAge + time.Second))
	if _, has := f[2]; len(f) != 1 || !has {
		t.Error("left are", f)
	}
	for i := range mostFlows {
		f.pass(jet.Header{Flow: uint64(i + 10), N: 1}, testTime.Add(time.Duration(i+2)*time.Second))
	}
	f.forget(testTime)
	if _, has := f[2]; len(f) != mostFlows || has {
		t.Error("left are", len(f))
	}
}

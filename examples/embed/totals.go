package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ingestd/ingestd/engine"
)

// totals is a sink that adds up the numbers of each stream. It keeps them in
// memory, so "durable" means here: as long as the program runs. As its Write
// stores all or nothing, the engine never gives it a message twice, and it needs
// no key against duplicates.
type totals struct {
	mu sync.Mutex
	m  map[string]total
}

type total struct {
	count int
	sum   float64
}

var _ engine.Sink = (*totals)(nil)

// Write implements engine.Sink.
func (t *totals) Write(_ context.Context, batches []engine.Batch) ([]engine.Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sums := make(map[string]total)
	for i, b := range batches {
		s, ok := sums[b.ID]
		if !ok {
			s = t.m[b.ID]
		}
		for j, m := range b.Messages {
			var value float64
			if err := json.Unmarshal(m.Data, &value); err != nil {
				return nil, engine.Reject(i, j, err) // this one never; the others again
			}
			s.count++
			s.sum += value
		}
		sums[b.ID] = s
	}
	if t.m == nil {
		t.m = make(map[string]total)
	}
	maps.Copy(t.m, sums)
	return nil, nil
}

// Close implements engine.Sink.
func (t *totals) Close() error { return nil }

// String lists the streams.
func (t *totals) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out strings.Builder
	for _, id := range slices.Sorted(maps.Keys(t.m)) {
		fmt.Fprintf(&out, "%s: %d messages, %g in all\n", id, t.m[id].count, t.m[id].sum)
	}
	return out.String()
}

package jet_test

import (
	"hash/fnv"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingestd/ingestd/internal/jet"
)

// The partition of an id is the same for ever, and evenly spread.
func TestPartition(t *testing.T) {
	for id, want := range map[string]int{"17": 49, "stream-000001": 43, "ü": 42, "": 37} {
		if got := jet.Partition(id, 64); got != want {
			t.Errorf("%q is in %d, not %d", id, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		id, count := rapid.String().Draw(t, "id"), rapid.IntRange(1, jet.MaxPartitions).Draw(t, "count")
		hash := fnv.New64a()
		_, _ = hash.Write([]byte(id))
		if got, want := jet.Partition(id, count), int(hash.Sum64()%uint64(count)); got != want {
			t.Fatalf("%q is in %d of %d, not %d", id, got, count, want)
		}
	})
	if got := jet.Subject("ingest", 7); got != "ingest.7" {
		t.Errorf("the subject is %s", got)
	}
}

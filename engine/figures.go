package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ingestd/ingestd/internal/tally"
)

// figures are what a writer measures. It has the lock for itself, but for Stats.
type figures struct {
	mu     sync.Mutex
	groups tally.Tally // messages
	took   tally.Tally // the time of Sink.Write
}

// written counts a call of Sink.Write.
func (f *figures) written(batches []Batch, took time.Duration) {
	messages := 0
	for i := range batches {
		messages += len(batches[i].Messages)
	}
	f.mu.Lock()
	f.groups.Add(sizes, int64(messages))
	f.took.Add(writes, int64(took))
	f.mu.Unlock()
}

func (f *figures) addTo(groups, took *tally.Tally) {
	f.mu.Lock()
	groups.Merge(&f.groups)
	took.Merge(&f.took)
	f.mu.Unlock()
}

// retries are what Stats.Retries is made of.
type retries struct{ transient, blocked, split atomic.Uint64 }

func (r *retries) load() Retries {
	return Retries{Transient: r.transient.Load(), Blocked: r.blocked.Load(), Split: r.split.Load()}
}

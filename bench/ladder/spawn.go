package ladder

import (
	"context"
	"sync"
)

// spawn is what the designs have in common that start a goroutine for each
// message, and do nothing about what fails. All but the repaired one do: a
// handler that waited for the database would not read, and so they took the way
// that Go makes easy. It costs the order of the messages, and leaves memory
// without a bound.
type spawn struct {
	store *store
	tasks sync.WaitGroup
}

// start has f store a message. What fails is lost.
func (s *spawn) start(ctx context.Context, f func() error) {
	s.tasks.Go(func() { s.store.counts.failed(ctx, f()) })
}

// stop forgets what is not stored: ctx has ended.
func (s *spawn) stop() { s.tasks.Wait() }

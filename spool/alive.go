package spool

import (
	"context"
	"errors"
	"sync"
)

// Alive returns nil once each lock of the spool was free, and an error where one
// stays held until ctx ends: that is a fault of this program, which a restart heals.
// A disk that is slow or full is none, see Health.
func (s *Spool) Alive(ctx context.Context) error {
	free := make(chan struct{})
	go func() {
		for _, mu := range []*sync.Mutex{&s.mu, &s.flows.mu, &s.producers.mu, &s.journal.mu} {
			mu.Lock()
			mu.Unlock() //nolint:staticcheck // that it could be taken is all that is asked
		}
		close(free)
	}()
	select {
	case <-free:
		return nil
	case <-ctx.Done():
		return errors.New("a lock of the spool is held")
	}
}

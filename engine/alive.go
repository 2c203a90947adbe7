package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Alive returns nil once every part of the engine has shown that it goes on: each
// lock of the table of streams was free, the clock and each settler came round, and
// each writer did, or is in Sink.Write. Where one does not before ctx ends, the
// error names it: that is a fault of this program, which a restart heals.
//
// A sink that fails, blocks, or does not return is none, and neither are senders
// that have to wait: Alive says nothing of them, see Health. It may be called at any
// time, and costs the parts that it asks a few instructions; before Run and after it
// there are only the locks.
func (e *Engine) Alive(ctx context.Context) error {
	for i := range e.shards {
		if !free(ctx, &e.shards[i].mu) {
			return fmt.Errorf("shard %d of the table of streams is held", i)
		}
	}
	if !free(ctx, &e.room.mu) {
		return errors.New("the room for messages is held")
	}
	select {
	case <-e.started:
	default:
		return nil
	}
	if !e.asks(ctx, e.clock.asked) {
		return errors.New("the clock does not come round")
	}
	for i, w := range e.writers {
		// A writer gives touching back when it waits and when it calls the sink.
		if !free(ctx, &w.touching) || !free(ctx, &w.mu) {
			return fmt.Errorf("writer %d does not come round", i)
		}
		if !e.asks(ctx, w.asked) {
			return fmt.Errorf("the settler of writer %d does not come round", i)
		}
	}
	return nil
}

// asks tells whether the goroutine that receives from asked between its works did
// so, or has ended with the engine.
func (e *Engine) asks(ctx context.Context, asked chan<- struct{}) bool {
	select {
	case asked <- struct{}{}:
		return true
	case <-e.ended:
		return true
	case <-ctx.Done():
		return false
	}
}

// free tells whether mu could be taken before ctx ended. Where it cannot, a
// goroutine is left that waits for it.
func free(ctx context.Context, mu *sync.Mutex) bool {
	if mu.TryLock() {
		mu.Unlock()
		return true
	}
	taken := make(chan struct{})
	go func() {
		mu.Lock()
		mu.Unlock() //nolint:staticcheck // that it could be taken is all that is asked
		close(taken)
	}()
	select {
	case <-taken:
		return true
	case <-ctx.Done():
		return false
	}
}

package engine_test

import (
	"context"

	"github.com/ingestd/ingestd/engine"
)

// hold makes every Write wait until the gate is closed.
func hold(gate <-chan struct{}) func(context.Context, []engine.Batch) (int, error) {
	return func(ctx context.Context, _ []engine.Batch) (int, error) {
		select {
		case <-gate:
			return 0, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

package nats_test

import (
	"context"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/natstest"
	"github.com/ingestd/ingestd/sink/sinktest"
)

// The stream is read back as a reader does it: each message once, by its key.
func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Target {
		server := natstest.Start(t, natstest.MaxPayload(16<<20))
		js := connect(t, nil, server.URL())
		return sinktest.Target{
			Sink: open(t, config(server.URL())),
			Rows: func(ctx context.Context) ([]engine.Message, error) {
				l, err := readLog(ctx, js, "ingest")
				if err != nil {
					return nil, err
				}
				return l.first(), nil
			},
		}
	})
}

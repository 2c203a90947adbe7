package nats_test

import (
	"context"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/natstest"
	"github.com/ingestd/ingestd/sink/nats"
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

// What an ack is worth is said at the start: it depends on the servers.
func TestDurabilityIsTold(t *testing.T) {
	server := natstest.Start(t)
	var log strings.Builder
	s, err := nats.Open(t.Context(), config(server.URL()), hclog.New(&hclog.LoggerOptions{Output: &log}))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "sync_interval: always") {
		t.Error(log.String())
	}
}

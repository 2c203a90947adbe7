package daemon

import (
	"github.com/ingestd/ingestd/daemon/internal/admin"
	"github.com/ingestd/ingestd/transport"
)

// What the built-in transports tell of themselves. A transport that embeds one of
// them tells the same.
type (
	webSocketCounts interface {
		Stats() transport.WebSocketStats
	}
	httpCounts interface{ Stats() transport.HTTPStats }
	feedCounts interface {
		Stats() transport.WebSocketClientStats
	}
)

// sample is what the history of the admin server is made of.
func (p *parts) sample() admin.Sample {
	stats := p.engine.Stats()
	s := admin.Sample{
		Received: stats.Accepted, Stored: stats.Stored, DeadLettered: stats.Refused, Flushes: stats.Flushes,
		Pending: stats.Pending, Streams: int64(stats.Streams),
		StoredAfter: stats.StoredAfter, Writes: stats.Writes,
	}
	if p.spool != nil {
		spooled := p.spool.Stats()
		s.Received, s.Spool, s.Syncs = spooled.Accepted, spooled.Pending, spooled.SyncTimes
	}
	for _, t := range p.transports {
		switch t := t.Transport.(type) {
		case webSocketCounts:
			s.Connections += int64(t.Stats().Connections)
		case feedCounts:
			s.Connections += int64(t.Stats().Connected)
		}
	}
	return s
}

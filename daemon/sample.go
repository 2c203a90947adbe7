package daemon

import (
	"github.com/ingestd/ingestd/daemon/internal/admin"
	"github.com/ingestd/ingestd/daemon/internal/api"
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
	transports := make([]api.Transport, len(p.transports))
	for i, t := range p.transports {
		a := transportOf(t, "")
		if a.Connections != nil {
			s.Connections += int64(*a.Connections)
		}
		if a.FeedsConnected != nil {
			s.Connections += int64(*a.FeedsConnected)
		}
		transports[i] = a
	}
	s.Refused = refusals(transports, stats.Refused)
	return s
}

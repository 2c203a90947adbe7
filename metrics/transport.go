package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestd/ingestd/transport"
)

var (
	connections = define(gauge, "ingest_transport_connections",
		"Connections that are open.", "transport")
	accepted = define(counter, "ingest_transport_connections_accepted_total",
		"Connections that were let in.", "transport")
	requests = define(counter, "ingest_transport_requests_total",
		"Requests that were answered.", "transport")
	refused = define(counter, "ingest_transport_refused_total",
		"Connections and requests that were not let in, by why: max_connections, max_connections_per_address, origin, auth, or other.",
		"transport", "reason")
	cut = define(counter, "ingest_transport_cut_total",
		"Connections and requests that were cut, by why: slow (does not read its answers, or sends its body too slowly), "+
			"silent (answers no ping), unfinished (a message took too long) or flooding (too many fragments or control frames).",
		"transport", "reason")
	frames = define(counter, "ingest_transport_frames_total",
		"Frames that were received.", "transport")
	taken = define(counter, "ingest_transport_messages_total",
		"Messages that the router accepted, done, flush and resume too.", "transport")
	failures = define(counter, "ingest_transport_errors_total",
		"Error answers, or messages of feeds that were not taken, by their code.", "transport", "code")
	bodies = define(gauge, "ingest_transport_body_bytes",
		"What the bodies of requests take.", "transport")

	feeds = define(gauge, "ingest_feeds",
		"Feeds that there are.", "transport")
	feedsConnected = define(gauge, "ingest_feeds_connected",
		"Feeds that are connected.", "transport")
	feedConnects = define(counter, "ingest_feed_connects_total",
		"Connections to feeds that were opened.", "transport")
	feedFailures = define(counter, "ingest_feed_connect_failures_total",
		"Attempts to connect to a feed that failed.", "transport")
	feedLost = define(counter, "ingest_feed_connections_lost_total",
		"Connections to feeds that ended before the shutdown.", "transport")

	rejected = define(counter, "ingest_messages_rejected_total",
		"Messages that were not accepted, by the code of the error that their senders got.", "reason")
)

// What the transports of this module tell of themselves. Whatever embeds one of them
// tells the same.
type (
	// WebSocketStats has *transport.WebSocket.
	WebSocketStats interface {
		Stats() transport.WebSocketStats
	}
	// HTTPStats has *transport.HTTP.
	HTTPStats interface{ Stats() transport.HTTPStats }
	// WebSocketClientStats has *transport.WebSocketClient.
	WebSocketClientStats interface {
		Stats() transport.WebSocketClientStats
	}
)

// named are the labels of a transport.
func named(transport string) prometheus.Labels { return prometheus.Labels{"transport": transport} }

// WebSocket shows a websocket server by a name that no other transport has.
func WebSocket(name string, w WebSocketStats) prometheus.Collector {
	return newCollector(named(name), func(c *collection) {
		s := w.Stats()
		number(c, connections, s.Connections)
		number(c, accepted, s.Accepted)
		c.by(refused, withOther(s.Refusals, s.Refused))
		c.by(cut, map[string]uint64{
			"slow": s.CutSlow, "silent": s.CutSilent, "unfinished": s.CutUnfinished, "flooding": s.CutFlooding,
		})
		number(c, frames, s.Frames)
		number(c, taken, s.Messages)
		c.by(failures, s.Errors)
	}, []*metric{connections, accepted, refused, cut, frames, taken, failures})
}

// HTTP shows an HTTP server by a name that no other transport has.
func HTTP(name string, h HTTPStats) prometheus.Collector {
	return newCollector(named(name), func(c *collection) {
		s := h.Stats()
		number(c, requests, s.Requests)
		c.by(refused, withOther(s.Refusals, s.Refused))
		c.by(cut, map[string]uint64{"slow": s.CutSlow})
		number(c, taken, s.Messages)
		c.by(failures, s.Errors)
		number(c, bodies, s.Bodies)
	}, []*metric{requests, refused, cut, taken, failures, bodies})
}

// WebSocketClient shows what reads feeds, by a name that no other transport has.
func WebSocketClient(name string, w WebSocketClientStats) prometheus.Collector {
	return newCollector(named(name), func(c *collection) {
		s := w.Stats()
		number(c, feeds, s.Feeds)
		number(c, feedsConnected, s.Connected)
		number(c, feedConnects, s.Connects)
		number(c, feedFailures, s.Failures)
		number(c, feedLost, s.Lost)
		number(c, frames, s.Frames)
		number(c, taken, s.Messages)
		c.by(failures, s.Errors)
	}, []*metric{feeds, feedsConnected, feedConnects, feedFailures, feedLost, frames, taken, failures})
}

// withOther are the reasons, and how many have none of them. What it is given may be
// somebody's own.
func withOther(reasons map[string]uint64, all uint64) map[string]uint64 {
	by, known := make(map[string]uint64, len(reasons)+1), uint64(0)
	for reason, n := range reasons {
		by[reason] = n
		known += n
	}
	by["other"] = max(all, known) - known
	return by
}

// Rejected shows what all transports together did not accept. Those that do not tell
// it in one of the three ways of this module are left out.
func Rejected(transports ...any) prometheus.Collector {
	return newCollector(nil, func(c *collection) {
		sum := make(map[string]uint64)
		for _, t := range transports {
			for code, n := range errorsOf(t) {
				switch code {
				case "rejected", "conflict", "undelivered": // it was accepted before
				default:
					sum[code] += n
				}
			}
		}
		c.by(rejected, sum)
	}, []*metric{rejected})
}

func errorsOf(t any) map[string]uint64 {
	switch t := t.(type) {
	case WebSocketStats:
		return t.Stats().Errors
	case HTTPStats:
		return t.Stats().Errors
	case WebSocketClientStats:
		return t.Stats().Errors
	}
	return nil
}

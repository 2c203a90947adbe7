package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	sinknats "github.com/ingestd/ingestd/sink/nats"
	"github.com/ingestd/ingestd/transport/nats"
)

var (
	natsSinkConnected = define(gauge, "ingest_nats_sink_connected",
		"1 while the sink is connected to NATS.", "sink")
	natsSinkReconnects = define(counter, "ingest_nats_sink_reconnects_total",
		"Connections to NATS that were made again.", "sink")
	natsPublishes = define(counter, "ingest_nats_sink_publishes_total",
		"Carriers that the stream has acked.", "sink")
	natsPublished = define(counter, "ingest_nats_sink_published_messages_total",
		"Messages in them; what was published again counts again.", "sink")
	natsPublishedBytes = define(counter, "ingest_nats_sink_published_bytes_total",
		"Bytes of them.", "sink")
	natsFailures = define(counter, "ingest_nats_sink_publish_failures_total",
		"Carriers that were not acked in time, or refused; what is in them is published again.", "sink")
	natsAcks = define(histogram, "ingest_nats_sink_ack_duration_seconds",
		"How long the stream took to ack carriers.", "sink")

	natsConnected = define(gauge, "ingest_nats_connected",
		"1 while the transport is connected to NATS.", "transport")
	natsReconnects = define(counter, "ingest_nats_reconnects_total",
		"Connections to NATS that were made again.", "transport")
	natsPartitions = define(gauge, "ingest_nats_partitions",
		"Partitions that the stream has; 0 until it is found.", "transport")
	natsOwned = define(gauge, "ingest_nats_partitions_owned",
		"Those of them that this daemon reads.", "transport")
	natsReaders = define(gauge, "ingest_nats_readers",
		"Daemons of the group that are alive, this one too.", "transport")
	natsCarriers = define(counter, "ingest_nats_carriers_total",
		"Carriers that were read and handed on.", "transport")
	natsMessages = define(counter, "ingest_nats_messages_total",
		"Messages in them that were accepted, done and disconnect too.", "transport")
	natsStale = define(counter, "ingest_nats_stale_carriers_total",
		"Carriers that had been given up by their edge and turned up late, and were left out: what is in them comes in later ones.", "transport")
	natsForeign = define(counter, "ingest_nats_foreign_carriers_total",
		"Messages in the stream that no ingestd has written, and that were skipped.", "transport")
	natsMalformed = define(counter, "ingest_nats_malformed_messages_total",
		"Messages in carriers that cannot be decoded, and that were skipped.", "transport")
	natsBehind = define(gauge, "ingest_nats_behind_carriers",
		"Carriers in the partitions of this daemon that are not settled yet.", "transport")
	natsOldest = define(gauge, "ingest_nats_oldest_age_seconds",
		"How long ago the oldest carrier was published that was read and is not settled; 0 where there is none.", "transport")
	natsTaken = define(counter, "ingest_nats_partitions_taken_over_total",
		"Partitions that this daemon took over from one that had died.", "transport")
	natsGiven = define(counter, "ingest_nats_partitions_given_back_total",
		"Partitions that this daemon gave to others, in order.", "transport")

	ofNATSSink = []*metric{
		natsSinkConnected, natsSinkReconnects, natsPublishes, natsPublished, natsPublishedBytes, natsFailures, natsAcks,
	}
)

// What the two ends of NATS tell of themselves. Whatever embeds one of them tells the
// same.
type (
	// NATSSinkStats has *nats.Sink of package sink/nats.
	NATSSinkStats interface{ Stats() sinknats.Stats }
	// NATSStats has *nats.Reader of package transport/nats.
	NATSStats interface{ Stats() nats.Stats }
)

// natsSink shows what a sink publishes.
func (c *collection) natsSink(s sinknats.Stats) {
	c.flag(natsSinkConnected, s.Connected)
	number(c, natsSinkReconnects, s.Reconnects)
	number(c, natsPublishes, s.Publishes)
	number(c, natsPublished, s.PublishedMessages)
	number(c, natsPublishedBytes, s.PublishedBytes)
	number(c, natsFailures, s.Failures)
	c.histogram(natsAcks, s.AckTimes)
}

// NATS shows what reads a stream, by a name that no other transport has.
func NATS(name string, r NATSStats) prometheus.Collector {
	return newCollector(named(name), func(c *collection) {
		s := r.Stats()
		c.flag(natsConnected, s.Connected)
		number(c, natsReconnects, s.Reconnects)
		number(c, natsPartitions, s.Partitions)
		number(c, natsOwned, s.Owned)
		number(c, natsReaders, s.Readers)
		number(c, natsCarriers, s.Carriers)
		number(c, natsMessages, s.Messages)
		number(c, natsStale, s.Stale)
		number(c, natsForeign, s.Foreign)
		number(c, natsMalformed, s.Refused)
		number(c, natsBehind, s.Behind)
		number(c, natsOldest, age(s.OldestUnsettled))
		number(c, natsTaken, s.TakenOver)
		number(c, natsGiven, s.GivenBack)
	}, []*metric{
		natsConnected, natsReconnects, natsPartitions, natsOwned, natsReaders, natsCarriers, natsMessages, natsStale,
		natsForeign, natsMalformed, natsBehind, natsOldest, natsTaken, natsGiven,
	})
}

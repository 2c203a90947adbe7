package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/spool"
)

var (
	received = define(counter, "ingest_messages_received_total",
		"Messages that were accepted. Those of an earlier run that the spool had count again, and so do dead letters that are replayed.")
	stored = define(counter, "ingest_messages_stored_total",
		"Messages that are durable in the sink.")
	duplicate = define(counter, "ingest_messages_duplicate_total",
		"Messages that were in the sink already, by their key.")
	deadLettered = define(counter, "ingest_messages_dead_lettered_total",
		"Messages that the sink refused for good.")
	fenced = define(counter, "ingest_messages_fenced_total",
		"Messages of partitions that this daemon lost before they were stored: whoever has the partition stores them.")
	pending = define(gauge, "ingest_messages_pending",
		"Messages that were accepted and are none of these yet.")

	pendingBytes = define(gauge, "ingest_pending_bytes",
		"What the messages in memory count against max_pending.")
	pendingLimit = define(gauge, "ingest_pending_limit_bytes",
		"The bound of that: max_pending.")

	lanes = define(gauge, "ingest_lanes",
		"Live streams.")
	lanesLimit = define(gauge, "ingest_lanes_limit",
		"The bound of that: max_streams.")
	lanesMade = define(counter, "ingest_lanes_made_total",
		"Streams that became live.")
	lanesRetired = define(counter, "ingest_lanes_retired_total",
		"Streams that were idle and were forgotten.")

	flushes = define(counter, "ingest_flushes_total",
		"Batches that got ready, by why: count, bytes, linger, flush, done, disconnect, pressure or drain.", "reason")
	batchMessages = define(histogram, "ingest_batch_messages",
		"How many messages batches had when they got ready.")
	groupMessages = define(histogram, "ingest_group_messages",
		"How many messages were given to the sink in one write.")

	writeSeconds = define(histogram, "ingest_write_duration_seconds",
		"How long writes to the sink took, failed ones too.")
	storedAfter = define(histogram, "ingest_stored_after_seconds",
		"How long after their receipt messages were stored, replayed dead letters apart.")
	retries = define(counter, "ingest_write_retries_total",
		"Writes that did not store all, by why the rest is written again: transient, blocked, "+
			"or split where a message was refused.", "class")

	sinkFailing = define(gauge, "ingest_sink_failing",
		"1 while writes fail and are tried again.")
	sinkBlocked = define(gauge, "ingest_sink_blocked",
		"1 while nothing can be stored until an operator acts.")
	lettersFailing = define(gauge, "ingest_dead_letters_failing",
		"1 while refused messages cannot be kept, and wait.")
	numbersFailing = define(gauge, "ingest_numbers_failing",
		"1 while no numbers can be reserved in data_dir; messages without one of their own wait soon.")
	senders = define(gauge, "ingest_senders_held",
		"1 while there is no room, and senders wait or are turned away.")
	draining = define(gauge, "ingest_draining",
		"1 while no messages are taken because of a shutdown.")

	ofEngine = []*metric{
		received, stored, duplicate, deadLettered, fenced, pending, pendingBytes, pendingLimit, lanes, lanesLimit, lanesMade,
		lanesRetired, flushes, batchMessages, groupMessages, writeSeconds, storedAfter, retries, sinkFailing, sinkBlocked,
		lettersFailing, numbersFailing, senders, draining,
	}
)

// Engine shows an engine that has no spool in front of it.
func Engine(e *engine.Engine) prometheus.Collector {
	return newCollector(nil, func(c *collection) {
		s, h := e.Stats(), e.Health()
		number(c, received, s.Accepted)
		number(c, pending, s.Pending+int64(s.Undelivered)) // what a drain gives up is kept in a file
		c.flag(senders, !h.FullSince.IsZero())
		c.flag(draining, h.Draining)
		c.engine(&s, &h)
	}, ofEngine)
}

// engine shows all of an engine but what is the spool's, where there is one.
func (c *collection) engine(s *engine.Stats, h *engine.Health) {
	number(c, stored, s.Stored)
	number(c, duplicate, s.Duplicates)
	number(c, deadLettered, s.Refused)
	number(c, fenced, s.Fenced)
	number(c, pendingBytes, s.PendingBytes)
	number(c, pendingLimit, s.MaxPending)
	number(c, lanes, s.Streams)
	number(c, lanesLimit, s.MaxStreams)
	number(c, lanesMade, s.Made)
	number(c, lanesRetired, s.Retired)
	c.by(flushes, map[string]uint64{
		"count": s.Flushes.Count, "bytes": s.Flushes.Bytes, "linger": s.Flushes.Linger, "flush": s.Flushes.Flush,
		"done": s.Flushes.Done, "disconnect": s.Flushes.Disconnect, "pressure": s.Flushes.Pressure, "drain": s.Flushes.Drain,
	})
	c.histogram(batchMessages, s.BatchMessages)
	c.histogram(groupMessages, s.GroupMessages)
	c.histogram(writeSeconds, s.Writes)
	c.histogram(storedAfter, s.StoredAfter)
	c.by(retries, map[string]uint64{
		"transient": s.Retries.Transient, "blocked": s.Retries.Blocked, "split": s.Retries.Split,
	})
	c.flag(sinkFailing, h.Failing != nil)
	c.flag(sinkBlocked, h.Blocked != nil)
	c.flag(lettersFailing, h.DeadLetters != nil)
	c.flag(numbersFailing, h.Numbers != nil)
}

var (
	spoolMessages = define(gauge, "ingest_spool_messages",
		"Messages in the spool that are not settled.")
	spoolBytes = define(gauge, "ingest_spool_bytes",
		"What the spool takes on disk.")
	spoolLimit = define(gauge, "ingest_spool_limit_bytes",
		"The bound of that: spool_max.")
	spoolSegments = define(gauge, "ingest_spool_segments",
		"Files of the spool's log.")
	spoolAge = define(gauge, "ingest_spool_oldest_age_seconds",
		"About how long ago the oldest message was received that is not settled; 0 where there is none.")
	spoolParked = define(gauge, "ingest_spool_parked_streams",
		"Streams that have their share of memory, and leave the rest in the spool.")
	spoolReplayed = define(counter, "ingest_spool_replayed_messages_total",
		"Messages that an earlier run had left in the spool.")
	spoolCorrupt = define(counter, "ingest_spool_corrupt_records_total",
		"Records of the spool that are damaged, and were skipped.")
	spoolMissing = define(counter, "ingest_spool_missing_records_total",
		"Records that were in files of the spool that are missing.")
	spoolTorn = define(counter, "ingest_spool_torn_bytes_total",
		"Bytes that a crash had left half-written, and that were cut off.")
	spoolSync = define(histogram, "ingest_spool_sync_duration_seconds",
		"How long syncs of the spool's log took.")
	spoolFailed = define(gauge, "ingest_spool_failed",
		"1 once a sync of the spool has failed: nothing is accepted any more.")
	spoolWaiting = define(gauge, "ingest_spool_waiting",
		"1 while the disk refuses writes of the spool, which are tried again.")

	ofSpool = []*metric{
		spoolMessages, spoolBytes, spoolLimit, spoolSegments, spoolAge, spoolParked, spoolReplayed, spoolCorrupt,
		spoolMissing, spoolTorn, spoolSync, spoolFailed, spoolWaiting,
	}
)

// Spool shows a spool and the engine behind it, in the place of [Engine].
func Spool(s *spool.Spool, e *engine.Engine) prometheus.Collector {
	return newCollector(nil, func(c *collection) {
		es, eh, ss, sh := e.Stats(), e.Health(), s.Stats(), s.Health()
		number(c, received, ss.Accepted+ss.Replayed)
		number(c, pending, ss.Pending)
		c.flag(senders, !sh.FullSince.IsZero())
		c.flag(draining, sh.Draining)
		c.engine(&es, &eh)
		number(c, spoolMessages, ss.Pending)
		number(c, spoolBytes, ss.Bytes)
		number(c, spoolLimit, ss.Max)
		number(c, spoolSegments, ss.Segments)
		number(c, spoolAge, age(ss.Oldest))
		number(c, spoolParked, ss.Parked)
		number(c, spoolReplayed, ss.Replayed)
		number(c, spoolCorrupt, ss.Corrupt)
		number(c, spoolMissing, ss.Missing)
		number(c, spoolTorn, ss.Torn)
		c.histogram(spoolSync, ss.SyncTimes)
		c.flag(spoolFailed, sh.Failed != nil)
		c.flag(spoolWaiting, sh.Waiting != nil)
	}, ofEngine, ofSpool)
}

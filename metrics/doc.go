// Package metrics shows the figures of an engine, its spool, transports, dead letters
// and sink to Prometheus. Each function gives a collector, for a registry of the
// program's own:
//
//	registry := prometheus.NewRegistry()
//	registry.MustRegister(metrics.Engine(e), metrics.WebSocket("ws", w), metrics.Rejected(w))
//	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
//
// A collector asks for a snapshot when it is scraped, and costs nothing in between.
// No label has values that clients choose.
//
// At any moment of rest, what was received is what was stored, was there already, was
// refused for good, was fenced, and is pending:
//
//	ingest_messages_received_total = ingest_messages_stored_total + ingest_messages_duplicate_total +
//		ingest_messages_dead_lettered_total + ingest_messages_fenced_total + ingest_messages_pending
//
// Fenced are those of a partition of a NATS stream that was lost before they were
// stored; without a transport that reads one there are none.
//
// A message that the spool had taken in an earlier run was received anew when the
// spool was opened, and one that is replayed from the dead letters when it is. Only
// records of the spool that cannot be read are missing; they are counted.
package metrics

// Package nats publishes messages to a stream of NATS JetStream, from which other
// ingestds read them and store them in a database: see transport/nats. So servers
// that take messages in, and servers that write the database, can be as many as are
// needed, and none of them holds what another one needs.
//
// A stream of ids is spread over partitions, subjects of the stream of JetStream, by
// a hash of the id. Each Write publishes what it has of a partition as one message
// of JetStream, a carrier, and returns when all are stored.
//
// # What it promises
//
// What was written is in the log of JetStream, synced as far as that is configured
// to sync: set sync_interval: always in the server, or several replicas, or count
// what the last two minutes may lose. The messages of an id are in the log in the
// order in which they were written. A message may be there more than once: whoever
// reads stores it once, by its key. Publishes that were given up and turn up in the
// log later are told by their number, see jet.Header; so nothing overtakes what came
// before it.
//
// # What it cannot do
//
// It remembers nothing. So nothing is a duplicate or in conflict, and how many
// messages a stream has and what was stored last is unknown: -1 in [engine.Result].
// The Resume of a batch goes nowhere.
package nats

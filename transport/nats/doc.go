// Package nats brings in messages from a stream of NATS JetStream, in which sinks of
// package sink/nats have put them. Any number of processes read one stream: each
// partition of it is read by one of them at a time.
//
// # Places and floors
//
// JetStream is asked for messages and told nothing: a partition is read by a consumer
// without acks (tail.go). How far it is stored is kept in a key-value bucket of our
// own (bucket.go). The floor of a partition is the sequence up to which every carrier
// is settled: all its messages are stored, or refused for good. It is written about
// once a second, with the last number of each flow at that floor (flows.go). Whoever
// reads the partition next begins behind the floor. What was stored behind it comes
// again then, and is known by its keys.
//
// What all groups have settled is purged from the stream (purge.go). A group that is
// being made begins at the first message that there is. A group whose readers are
// gone keeps what it has not stored; to be rid of it, delete its keys in the bucket.
//
// # Leases
//
// A reader puts a heartbeat into the bucket, each a second after the last was
// answered, and reads the log of the bucket (session.go). Another one is dead when six
// of my own heartbeats are in that log behind its last (members.go): so where nobody
// can write, nobody dies. What a reader has routed is written under a lease
// ([engine.Lease]) that ends four seconds after its last heartbeat was sent, which is
// before anybody can find it dead. A reader that hangs, or is cut off, is harmless
// when it comes back.
//
// Each reader has its share of the partitions (shares.go): it claims what is free, or
// of the dead, and gives back what it has too many of. To give back is to stop
// reading, to wait until all is settled, and then to write the floor. Where the sink is
// so far behind that this takes more than two seconds, the lease is given up first, and
// what is not stored by then is left to the next reader; not so in a drain. A key is
// written only as it was last seen, so of two who claim one fails. Where the outcome
// of a write is not known, the log of the bucket tells it.
//
// # Goroutines
//
//	goroutine   started by            ends                     blocks on
//	Serve       the caller            with its ctx, when all   the goroutines below; a timer; a
//	                                  is settled               request to JetStream
//	watch       Serve, a session      with the session         the connection; a request
//	beat        Serve, a session      with the session         a request, a timer
//	purge       Serve, a session      with the session         a request, a timer
//	measure     Serve, a session      with the session         a request, a timer
//	run         a claim, one a        when the partition is    a request; in the end, its
//	            partition             given back or lost       messages to be settled
//	follow      run                   with it; before it gives the connection; Route; room in
//	                                  back                     the window; a request
//
// A request to JetStream takes two seconds at most. A session is the time for which a
// reader has one name, stream and bucket; Serve waits for all goroutines of one before
// it begins another. The goroutines of the connection are those of the library, and
// end with it.
//
// follow blocks on Route for as long as there is no room. It holds back its own
// partition only: each has its own requests, and its own bounded window.
//
// Settled takes the lock of one partition, for as long as it takes to count, and
// nothing else. The lock of a session comes before that of a partition; neither is
// held during Route or a request.
package nats

// Package engine takes messages about things known by an id and stores them in
// batches, without losing, doubling or reordering any.
//
// Each id is a stream. The [Engine], which is a [Router], makes a lane for a stream
// when its first message arrives, and forgets it when it has been idle for a while.
// A lane collects a batch; the batch is ready at a number of messages or bytes, or
// some time after its first message, and at once where a control message, pressure
// or a drain asks for it. A writer takes what many lanes have ready and hands it to
// the [Sink] in one call of Write, which is one transaction. Then the lanes tell the
// producers.
//
// A host program brings a Sink, and either a [Transport] or calls of its own to
// [Engine.Route]:
//
//	e, err := engine.New(sink, engine.DefaultOptions())
//	...
//	go func() { ended <- e.Run(ctx) }()
//	err = e.Route(ctx, engine.Message{ID: "sensor-7", Data: data}, producer)
//
// # Guarantees
//
// They hold for every Sink that keeps its contract, and each has a test.
//
//  1. Every message that Route accepted is settled exactly once.
//  2. Settled with nil comes after Sink.Write returned nil for it, which means that
//     it is durable.
//  3. Within a stream, messages are written and settled in the order of acceptance.
//     One Write at a time is under way for a stream.
//  4. An idle stream costs nothing after Options.IdleTimeout, and a stream has no
//     goroutine unless something of it failed or was refused. No goroutine outlives
//     Run, unless the sink does not return from Write; then Run says so.
//  5. Memory is bounded: by Options.MaxPending for messages, by Options.MaxStreams
//     for lanes, by a constant for the goroutines of lanes that are not waiting out
//     a failure. At the bound, half-filled batches are flushed, the oldest first,
//     before anyone waits for a linger.
//  6. A transient failure is retried for ever, with exponential backoff and full
//     jitter, in order. A sink that is blocked refuses nothing; neither does one
//     that has refused a hundred messages in a row and stored none.
//  7. A message that is refused for good costs its stream and its neighbours nothing
//     but the time to find it. With Options.DeadLetters it is kept there before
//     anybody is told.
//  8. A stream that cannot be stored holds back no other.
//  9. What is written again after a failure has the same key, ID, Seq and Client,
//     and comes in the same order, so a sink can tell what it has already.
//  10. What has a [Lease] is given to the sink only while that is held.
//
// What is accepted and not yet settled is in memory: a crash of the process loses
// it, and its producers have not been told that it is stored.
//
// # Goroutines
//
//	goroutine        started by         ended by            blocks on                  owns
//	clock            Run                the drain's end     its timer                  lingers, idle timeouts, lines about refused messages
//	reserver         Run                the drain's end     its ticker                 the file of the high-water mark
//	writer (each)    Run                the drain's end     ready lanes, Sink.Write,   a group until it is written
//	                                                        the settler
//	settler (each)   Run                the drain's end     groups that are written    a group while it is settled
//	lane's           a delivery that    the writer or       its backoff,               the delivery
//	                 failed, or was     nobody has the      DeadLetters.Keep
//	                 refused in part    delivery now
//
// The caller's goroutine does the rest: Route appends to the lane under the lock of
// a shard of the table, and a lane that has got ready comes into the line of its
// writer. A lane that has been written and has more ready goes to the end of that
// line. A million lanes that get ready at once are a million places in it, and no
// goroutines. Of a writer's lanes, 4096 have a goroutine at a time at most, besides
// those that wait out a backoff: DeadLetters.Keep may be slow. The others wait for
// their turn.
//
// # Locks
//
// None is held across a blocking channel operation, a write or a callback, and all
// but one for a few instructions: a writer holds its own, touching, while it works
// on a group. Where two are held, they are taken in this order: touching, a shard,
// the queues of a writer. Only a search for what to flush under
// pressure holds several shards, in the order of their numbers.
package engine

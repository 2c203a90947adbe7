package engine

import "context"

// Sink stores batches.
//
// The engine calls Write concurrently for different streams, from at most
// [Options.Writers] goroutines, and never twice at a time for one stream. It
// calls Close once, after the last Write.
//
// Write returns nil once all batches are durable. Its results may be nil, or are
// as many as the batches. Batches of one stream may be several, in order; the
// batches of different streams are sorted by ID. A batch may have no messages,
// where its End or Resume says something.
//
// After an error any part may be stored, and the engine writes the same messages
// again, in order, until Write succeeds or the error is permanent. So a key (ID,
// Seq, Client) that is stored already with the same Op, Code and Data must not
// fail a Write, and is kept once; with other content it is a [Reject] of
// [ErrConflict]. The same key may come twice in one Write. An end has no key: see
// [EndReason].
//
// What Write returns decides what happens next:
//
//   - [Reject](i, j, err) says that the message j of batch i is refused for good.
//     The engine settles that message with err and writes the others again.
//   - [Permanent](err) says that some message is refused for good, and not
//     which: the engine splits the group, left half first, until the bad ones
//     stand alone.
//   - [Blocked](err) says that nothing can be stored until an operator acts: no
//     such table, access denied. Nothing is refused; the engine tries again.
//   - Any other error is transient: the engine tries again, with backoff.
//
// Write returns soon after ctx ends, which it does when a [Lease] of its messages is
// lost, too. It changes no batch, and keeps none of its memory.
type Sink interface {
	Write(ctx context.Context, batches []Batch) ([]Result, error)
	Close() error
}

// DeadLetters keeps what a sink refuses for good, so that an operator can look at
// it, mend what it needs, and send it again.
//
// Keep returns nil once all letters are durable; only then are their messages
// settled, and their senders told. After an error the engine calls it again, with
// backoff, and for as long as it takes: so a letter may come twice, and is kept
// once. It is called concurrently for different streams, keeps none of the
// letters' memory, and returns soon after ctx ends.
type DeadLetters interface {
	Keep(ctx context.Context, letters []DeadLetter) error
}

// Producer hears what became of the messages that it routed. It is a pointer, or
// another type whose values can be compared.
type Producer interface {
	// Spooled is called once ms are on disk, in the order of routing, streams
	// mixed. Without a spool it is never called.
	Spooled(ms []Message)

	// Settled is called once for each accepted message, several of one stream at
	// a time, in the order of the stream. It is called on the engine's
	// goroutines, concurrently for different streams.
	//
	// err is nil once they are stored; a permanent error ([IsPermanent]) if they
	// were refused for good (and [Options.DeadLetters] has them, where it is set);
	// [ErrUndelivered] at the end of a drain: given up,
	// kept in a file where [Options.DataDir] is set, and the sender is not
	// answered; [ErrFenced] if their [Lease] was lost first: whoever has it next
	// stores them. What has a lease is in no file, either way. r.Rows belongs to a Done or Disconnect, r.LastSeq to a Resume;
	// elsewhere they say nothing.
	//
	// ms and what they point to are valid during the call. It must not block and
	// must not call Route.
	Settled(ms []Message, r Result, err error)
}

// Router accepts messages. The [Engine] is one.
//
// Route returns nil once m is accepted; its outcome arrives at p, where p is not
// nil. m.ID and m.Data are the caller's again when Route returns, so they may
// share memory with a buffer that is reused; the other strings are kept.
//
// On an error m was not accepted and p never hears of it: ctx.Err(); [ErrClosed]
// once a drain has begun; [ErrTooManyStreams]; [ErrOverloaded]; or a permanent
// error for a malformed message. Route blocks while there is no room: that is the
// back-pressure, and a transport lets it reach its sender. Control messages never
// wait for room.
//
// It is safe for concurrent use. Of two calls for one ID, the one that returned
// before the other began is stored first. No lock that Settled takes may be held
// during Route.
type Router interface {
	Route(ctx context.Context, m Message, p Producer) error
}

// Transport brings messages in.
//
// Serve routes what it receives and gives each outcome back to its sender. It
// blocks until ctx ends, it fails, or its source is exhausted (then it returns
// nil). When ctx ends it routes nothing more, keeps its connections until every
// accepted message is settled and its sender told, closes them, and returns nil.
// It is called once, and no goroutine of its own outlives it.
//
// The engine drains at the same time as its transports: what was accepted is
// flushed and settled, so a Serve that waits for its messages comes to its end.
type Transport interface {
	Serve(ctx context.Context, r Router) error
}

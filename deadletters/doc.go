// Package deadletters keeps what a sink refused for good, in a SQLite file, until an
// operator sends it again or discards it.
//
// [Store] is the engine's [engine.DeadLetters]: Keep returns once its letters are on
// disk, so a message is settled as refused only when it can be found again. Several
// processes may use one file at once, each with a Store of its own: a command of
// `ingestd dead-letters` works beside a running daemon.
//
// # One letter for one message
//
// A message that is refused again, because it is replayed after a crash or because
// its client sends it again, is no second letter: the one that is there tells the
// last reason, and how often the message was tried in all. Messages are the same
// where their kind, id, seq, client, op, code and data are.
//
// # Replay
//
// Letters are marked ([Store.Mark]) by whoever wants them sent again, in any
// process. The [Replayer] of the daemon finds them, routes them as they are, with
// their numbers, clients and times, and deletes each once it is stored. What is
// refused again stays, unmarked, with the new reason. A crash between storing and
// deleting costs nothing: the mark is still there, the next daemon routes the letter
// again, and the sink knows its key.
package deadletters

// Package sink holds what the sinks share: how a message becomes a row, what a
// group of batches does to the rows of its streams, how a prepared statement is run
// on a connection of its own, and how a host program's own rows change in the same
// transaction: [Apply].
//
// The sinks themselves are in the packages below this one; sinktest is the kit
// that every sink passes. A sink of your own needs nothing of this package: it
// implements [engine.Sink], and may take from here what it finds useful.
//
// [engine.Sink]: https://pkg.go.dev/github.com/ingestd/ingestd/engine#Sink
package sink

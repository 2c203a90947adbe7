// Package client sends messages to an ingest server and keeps each until the server
// has acked it: over lost connections, restarts of the server, and, with a file,
// restarts of the producer too. Every message is stored once, in the order of its
// id.
//
//	c, err := client.Dial(ctx, "ws://127.0.0.1:7001/ws", client.Options{Name: "phone-7"})
//	...
//	err = c.Send(ctx, client.Message{ID: "17", Data: []byte(`{"temperature":21}`)})
//	...
//	err = c.Close(ctx) // waits until everything is acked
//
// # What it does
//
// A [Client] has a name, and gives each message a number that ascends within its
// id. [Client.Send] puts the message into the window, which is bounded, and a
// goroutine sends what is there: many messages a frame while they queue, one while
// they don't. What the server acks is forgotten. When the connection is lost, it is
// made again, with exponential backoff and full jitter, and what was not acked is
// sent again, each id's in order, before anything new. The server keys messages by
// id, number and name, so what it had already is stored once.
//
// A message that the server refuses for good is reported to [Options.Refused] and
// counts as answered. One for which it has no room just now is sent again, and
// what is behind it in its id waits.
//
// # What a crash costs
//
//	                      in memory                  Options.File           and Options.Sync
//	the producer ends     what is not acked is lost  nothing                nothing
//	its machine crashes   what is not acked is lost  what the system had    nothing
//	                                                 not yet written: some
//	                                                 seconds
//	its disk fails        nothing more               the same               the same
//
// Nothing, of what Send returned nil for. A message that was lost with the producer
// may be stored all the same; a producer that sends it again needs to give it the
// number that it had ([Message.Seq]), or it is another one. What the file's end
// lost in a crash is cut off; where a record inside was damaged, that one is
// lost, and the log says so.
//
// The numbers are Unix microseconds, so a producer that comes again with the same
// name and without a file goes on above its old ones, as long as its clock is not
// set back over that time.
//
// # Goroutines and locks
//
// Three goroutines serve a connection: one reads, one writes, one watches. The
// first also connects, and calls Acked and Refused. A single lock guards the
// window; it is not held while the network or the file is used. All of them have
// ended when Close returns.
package client

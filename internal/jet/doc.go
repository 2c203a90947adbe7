// Package jet is what both ends of NATS JetStream share, the sink that writes and
// the transport that reads: the connection, the stream and its partitions, and the
// form of what is in it.
//
// Messages are spread over a fixed number of partitions by their id, see
// [Partition]. The messages of a partition have one subject; so JetStream keeps
// their order. A message of JetStream is a carrier: it holds batches of one
// partition, see [AppendCarrier].
//
// # Layout
//
// A carrier is, with all numbers of fixed size in big-endian order, and v a
// variable one as in encoding/binary, signed ones in zig-zag form:
//
//	"ingc"                         4 bytes
//	version                        1 byte, 1
//	flow                           8 bytes
//	n                              8 bytes
//	batches, until the data ends:
//	    id                         v length, bytes
//	    flags                      1 byte: 1 ends with a done, 2 ends with a disconnect, 4 has a final
//	    count                      v, of messages
//	    count messages
//	    ended                      a time, after that of the message before; with flag 1 or 2
//	    a message                  the final; with flag 4
//
// A message says what differs from the message before it in the carrier, whatever
// its stream; before the first one are empty texts, the number 0, and the first
// moment of 2024:
//
//	flags                          1 byte: 1 another client, 2 op, 4 remote, 8 sender;
//	                               16 code; 32 time; 64 more flags
//	more flags                     1 byte, with flag 64: 1 replayed
//	client, op, remote, sender     v length, bytes; each with its flag
//	seq                            v signed, the difference
//	code                           v signed, with flag 16; otherwise 0
//	received                       a time, after "received" of the message before
//	time                           a time, after "received", with flag 32; otherwise none
//	data                           v length, bytes
//
// A time is a difference to another one, of seconds and of nanoseconds within the
// second: v signed each, where the first is doubled and, if the second is 0, has 1
// added, and the second left out.
//
// Bytes or flags other than these make it no carrier; another version makes it one
// that cannot be read here. A final comes after the end, whose time it has.
package jet

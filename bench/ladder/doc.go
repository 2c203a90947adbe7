// Package ladder holds the designs that came before this program, and the one it
// grew out of, rebuilt small: what a careful programmer writes first when many
// clients report over websockets about many ids, and all messages of one id change
// the same rows. They are the baselines of bench, and honest ones: each is a
// websocket server that stores the same load in the same tables of the same
// MariaDB as the real one does, has prepared statements and a pool of connections
// of the size that suits it, and no fault that its story does not tell of.
//
//	direct                  a goroutine for each message, which writes it as it comes
//	direct-tx               the same in a transaction that reads the row it changes
//	lock                    the same with a read-write lock around the database
//	transaction             the same in a transaction that is tried again from within
//	map                     a map of maps collects ten messages of an id; no locks
//	map-locked              the same with a lock on both levels
//	channels                a channel and a worker for each id, as it was published
//	channels-repaired       the same, and the smallest change with which nothing is
//	                        lost or out of order
//	channels-bulk           the same, and a batch is one statement for each table:
//	                        the best that we could make of this design
//
// Those that collect messages write ten in one transaction, all but the last with
// a statement for each row: the message, and its stream.
//
// Each file says what its design does with a message, and what comes of it. The
// design "map" ends its process within a moment, and no other may be served in it:
// that is its result.
//
// None of them answers what it stored, so [Watch] looks into the tables until no
// more comes, and [Count] tells what became of the messages.
//
// # The tables
//
// They are those of package sink/mysql: a row of messages for each message, and
// the row of its stream, which each message changes. Only the numbers differ. A
// sender's number says nothing about when its message was written, and as part of
// the key it would hide what is written twice. So seq is given by the database as
// it writes the row, by UUID_SHORT(), which counts up: in the order of seq a
// stream's rows are as they were written. The sender's number is in the column
// code, which the load does not use, and, as its least and greatest, in the row of
// the stream.
package ladder

// Package sqlite stores messages in a SQLite database: a file, no server.
//
// # What is stored
//
// A row of the table messages for each message, under the unique key (id, seq,
// client); a row of streams for each stream, written in the same transaction as
// the messages that it counts; in ingest_meta the version of these tables. Texts
// compare byte by byte. Times are UTC, as text with microseconds, the form in
// which MySQL shows a DATETIME(6): "2024-05-07 03:33:20.000000", so they sort as
// they are. A message without a time gets that of its receipt; a time before the
// year 1000 or after 9999 becomes the nearest one inside. Data is stored byte for
// byte, and as null where there is none. What is not valid UTF-8 is refused.
//
// # The row of a stream
//
// messages counts what was ever stored; first_seq and last_seq are the least and
// the greatest number, first_at and last_at when the first and the last message
// was received. All are added to what is there, so that they come out right in
// whatever order two processes write, and what was stored before counts nothing.
// A Done or Disconnect sets status to done and fills ended_at (when the Done or
// Disconnect was received), end_reason, end_code and end_data; an
// end that changes nothing keeps the first ended_at, and a Disconnect of a
// stream that is done leaves it as it is. A later message opens the stream again
// and empties these: one that is new, or that is sent again after the end.
//
// # Rows of your own
//
// Config.Apply changes rows of the host program's own, in tables of the same
// database, in the transaction that stores the messages, once for each: see
// [sink.Apply]. A host program that writes the database through a pool of its own
// meanwhile waits for the lock that Apply's transaction holds, and Apply, if it
// waits for that, for the busy timeout.
//
// # Durability
//
// The database is in WAL mode with synchronous=FULL: once Write returns nil, a
// power cut loses nothing of it. What is written goes into the log beside the
// database. When that has 55 MiB it is moved into the database, while writing goes
// on, and begun anew. It grows to 94 MiB before Write waits for that, and further
// while a reader keeps an old snapshot. One connection writes; other processes may
// read at any time, and write, too: then each waits for the other, up to five
// seconds, after which the error is transient.
//
// # Goroutines
//
//	goroutine        started by  ended by  blocks on                 owns
//	log's, 1 a Sink  Open        Close     a log that is long, a     a connection of its own;
//	                                       Write under way, the disk the writer's, to end with
//
// It takes the writer's connection from its place only when little of the log is
// left, so that nothing is added meanwhile: a transaction begins the log anew where
// all of it is in the database.
package sqlite

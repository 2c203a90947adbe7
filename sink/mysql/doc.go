// Package mysql stores messages in MySQL 8 or MariaDB 10.6 and later.
//
// # What is stored
//
// A row of the messages table for each message, under the primary key (id, seq,
// client); a row of the streams table for each stream, written in the same
// transaction as the messages that it counts; in ingest_meta the version of
// these tables. Ids and names of clients are VARBINARY and compare byte by byte.
// Times are UTC, with microseconds. A message without a time gets that of its
// receipt; a time before the year 1000 or after 9999 becomes the nearest one
// inside. Data is LONGTEXT, stored byte for byte, and as null where there is
// none; a JSON column would rewrite it. What is not valid UTF-8, or too long for
// its column, or larger than the server's max_allowed_packet, is refused.
//
// # The row of a stream
//
// messages counts what was ever stored; first_seq and last_seq are the least and
// the greatest number, first_at and last_at when the first and the last message
// was received. All are added to what is there, so that they come out right in
// whatever order two servers write, and what was stored before counts nothing. A
// Done or Disconnect sets status to done and fills ended_at (when the Done or
// Disconnect was received), end_reason, end_code and end_data; an end
// that changes nothing keeps the first ended_at, and a Disconnect of a stream
// that is done leaves it as it is. A later message opens the stream again and
// empties these: one that is new, or that is sent again after the end.
//
// Without a streams table (an empty StreamsTable) the messages of a stream are
// counted when its number is asked for. One that is named later counts from then
// on.
//
// # Rows of your own
//
// Config.Apply changes rows of the host program's own in the transaction that
// stores the messages, once for each: see [sink.Apply]. MySQL commits by itself at
// statements such as CREATE TABLE or LOCK TABLES, so Apply cannot run them; one
// that hides in a procedure is found out afterwards, and blocks the sink.
//
// # The session
//
// Every connection has settings of its own, whatever the server's are: UTC,
// utf8mb4, a strict sql_mode, so that nothing is cut or changed on its way in,
// and READ COMMITTED. innodb_lock_wait_timeout is 10 s and wait_timeout 60 s,
// unless the DSN says otherwise: so a server that has not noticed that a
// connection is gone does not keep its locks for hours.
//
// A process that is frozen in the middle of a transaction, or whose network is gone,
// keeps the locks for 5 s on MariaDB: idle_write_transaction_timeout is set to that.
// Where another process takes over its streams, it waits for no longer. The frozen
// one, when it goes on, gets a transient error, and what it writes again is found by
// its key. What Config.Apply does between two statements counts as well, and ends the
// transaction when it takes longer; so with an Apply it is not set, unless the DSN does.
// MySQL has no such setting: there wait_timeout alone bounds it, and a DSN with
// wait_timeout=10 has connections ended that are idle for 10 s, which are exchanged.
// The time that a statement takes never counts.
//
// A DSN that asks for clientFoundRows or multiStatements is refused: with the first
// the server does not tell new rows from old ones. A connection that was denied
// something is exchanged, because its session would not notice that its rights were
// given back.
package mysql

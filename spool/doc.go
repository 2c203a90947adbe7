// Package spool is the buffer on disk in front of the engine: a Router that writes
// what it accepts to a log, tells the producers once it is synced, and hands it on
// to the next Router in the order of the log.
//
//	s, err := spool.Open(spool.Config{Dir: "spool", Max: 10 * engine.GiB, Numbers: e.Numbers(), ...})
//	...
//	go func() { ended <- s.Run(ctx, e) }() // runs e, too
//	err = s.Route(ctx, m, producer)        // instead of e.Route
//
// # Guarantees
//
// Each has a test.
//
//  1. Producer.Spooled comes after the sync that made the messages durable, and
//     before their Settled. A message that was told to be spooled is handed on, in
//     this run or in a later one, until it is settled: it survives a crash of the
//     process and of the machine.
//  2. Messages are handed on in the order of acceptance, stream by stream, with the
//     numbers that they were accepted with. After a crash, what is handed on again
//     is, for each stream, the last part of what was settled already, then all that
//     was not. The key (ID, Seq, Client) tells the sink what it has.
//  3. Every accepted message's producer hears Settled exactly once.
//  4. Memory is flat whatever the backlog is. A stream that cannot be stored leaves
//     its messages on disk when it has its share in memory, and holds back no other.
//  5. A record that is damaged costs no other. What cannot be read is counted,
//     logged and copied to the directory quarantine.
//  6. After a sync that failed nobody is told that anything is spooled.
//
// # Files
//
//	00000000000000000001.seg   a segment of the log: its name is its first position
//	settled.log                what of it is settled
//	lock                       who has it open
//	quarantine/                copies of what could not be read
//
// A segment is deleted once all of it is settled. All numbers in the files are
// little-endian, and all checksums are CRC32C, begun with a secret of the spool's
// own, so that no payload can pass for a record.
//
// A segment begins with two copies of a header (segment.go). A record is
//
//	magic 4 | length 4 | position 8 | place in its batch 4 | CRC of these 4 | payload | CRC of all 4
//
// (record.go). The first CRC lets a reader trust the length, so it skips exactly one
// bad record; where that fails, it looks for the next magic with a valid record.
// A batch is what was written and synced at once. Since no batch is begun before the
// one before it is synced, a hole in the last batch of a segment that was not sealed
// is what a crash leaves: it is cut off there, and what is valid behind it is kept in
// quarantine only. A hole anywhere else is damage, and is skipped.
// The space of a segment is allocated when it is made; when it is full, or the spool
// is closed, a seal is written behind its last record.
//
// settled.log is a header and blocks of settled positions, in the order of settling
// (marks.go). The CRC of a block begins with that of the block before it, so what is
// read of the file is always a prefix of what was written. It is synced before a
// segment is deleted, and written anew when it has grown. Where a full disk takes no
// block, the oldest segments are deleted nevertheless: before that, the header, which is
// written in place, says that all before some position is settled.
//
// # Goroutines
//
//	goroutine   started by   ended by                     blocks on                       owns
//	committer   Run          the end, when all is synced  pending messages, the disk,     the segment that is written
//	                                                      room on disk
//	feeder      Run          all is handed on, or         the log's growth, shares,       the places where it reads
//	                         DrainTimeout                 next.Route
//	keeper      Run          next's end                   settled positions, the disk     settled.log
//	next        Run          the feeder's end             next.Run                        -
//
// Route is the caller's goroutine, and Settled next's.
//
// # Locks
//
// Spool.mu (what is accepted and not yet taken by the committer), flows.mu (what each
// stream has in flight), producers.mu (who waits for what) and journal.mu (segments
// and what of them is settled) are held for a few instructions each, never two at a
// time, and never across a channel, the disk or a callback.
package spool

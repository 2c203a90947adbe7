package main

import (
	"fmt"

	"github.com/ingestd/ingestd/bench/ladder"
	"github.com/ingestd/ingestd/bench/limit"
)

// bulks are the bare inserts of a dialect, at so many rows an id.
func bulks(dialect, like string) []testCase {
	insert := func(name, title string, b limit.Bulk) testCase {
		b.Dialect = dialect
		return testCase{name: name, title: "limit: bulk insert, " + title, subject: bulk{b}, load: standard(), like: like, warm: 20_000}
	}
	return []testCase{
		insert("bulk-10", "10 rows an id", limit.Bulk{RowsAnID: 10}),
		insert("bulk-50", "50 rows an id", limit.Bulk{RowsAnID: 50}),
		insert("bulk-bare", "10 rows an id, bare table without a key", limit.Bulk{RowsAnID: 10, Bare: true}),
	}
}

// sparse is the bare insert into SQLite of one row an id.
func sparse(name, title string, b limit.Bulk) testCase {
	b.Dialect, b.RowsAnID = "sqlite", 1
	return testCase{
		name: name, title: "limit: bulk insert, 1,000,000 ids, one row each, " + title, subject: bulk{b},
		load: with(ids(1_000_000)), count: 1_000_000, warm: 20_000, rounds: 1, slow: true,
	}
}

// blocks are all cases.
func blocks() []block {
	return []block{
		{"receive", "From the socket to the batch", []testCase{
			{name: "read", title: "limit: bare read loop", subject: reader{}, load: standard(), warm: 50_000},
			{name: "read-decode", title: "limit: bare read loop and decoder", subject: reader{decode: true}, load: standard(), warm: 50_000},
			{name: "discard", title: "discard", subject: ours{sink: "discard"}, load: standard(), warm: 50_000},
			{name: "discard-acks", title: "discard, acks", subject: ours{sink: "discard"}, load: with(numbered), warm: 50_000},
			{name: "read-50", title: "limit: bare read loop, 50 a frame", subject: reader{}, load: with(fifty), warm: 100_000},
			{name: "read-decode-50", title: "limit: bare read loop and decoder, 50 a frame", subject: reader{decode: true}, load: with(fifty), warm: 100_000},
			{name: "discard-50", title: "discard, 50 a frame", subject: ours{sink: "discard"}, load: with(fifty), warm: 100_000},
			{name: "discard-spool", title: "discard, spool", subject: ours{sink: "discard", spool: true}, load: standard(), warm: 50_000},
			{name: "discard-spool-acks", title: "discard, spool, acks once spooled", subject: ours{sink: "discard", spool: true, set: []string{"transport.websocket.ack=spooled"}}, load: with(numbered), warm: 50_000},
			{name: "stdout", title: "stdout", subject: ours{sink: "stdout"}, load: standard(), warm: 50_000},
		}},
		{"sqlite", "Into SQLite, synchronous=FULL", append([]testCase{
			{name: "read-decode", title: "limit: bare read loop and decoder", subject: reader{decode: true}, load: standard(), warm: 50_000},
			{name: "sqlite", title: "SQLite", subject: ours{sink: "sqlite"}, load: standard(), warm: 20_000},
			{name: "sqlite-50", title: "SQLite, 50 a frame", subject: ours{sink: "sqlite"}, load: with(fifty), like: "sqlite", warm: 20_000},
			{name: "sqlite-acks", title: "SQLite, acks", subject: ours{sink: "sqlite"}, load: with(numbered), like: "sqlite", warm: 20_000},
			{name: "sqlite-hot", title: "SQLite, one id with all the traffic", subject: ours{sink: "sqlite"}, load: with(ids(1), shared), like: "sqlite", warm: 20_000},
			{name: "sqlite-spool", title: "SQLite, spool", subject: ours{sink: "sqlite", spool: true}, load: standard(), like: "sqlite", warm: 20_000},
		}, bulks("sqlite", "sqlite")...)},
		{"mariadb", "Into MariaDB, innodb_flush_log_at_trx_commit=1", append([]testCase{
			{name: "read-decode", title: "limit: bare read loop and decoder", subject: reader{decode: true}, load: standard(), warm: 50_000},
			{name: "mariadb", title: "MariaDB", subject: ours{sink: "mysql"}, load: standard(), warm: 20_000},
			{name: "mariadb-50", title: "MariaDB, 50 a frame", subject: ours{sink: "mysql"}, load: with(fifty), like: "mariadb", warm: 20_000},
			{name: "mariadb-acks", title: "MariaDB, acks", subject: ours{sink: "mysql"}, load: with(numbered), like: "mariadb", warm: 20_000},
			{name: "mariadb-spool", title: "MariaDB, spool", subject: ours{sink: "mysql", spool: true}, load: standard(), like: "mariadb", warm: 20_000},
		}, bulks("mysql", "mariadb")...)},
		{"ladder", "The designs before, on the same tables of MariaDB", rungs()},
		{"ids", "How many ids, into SQLite", []testCase{
			{name: "ids-1", title: "1 id", subject: ours{sink: "sqlite"}, load: with(ids(1), shared), like: "ids-1000", warm: 20_000},
			{name: "ids-64", title: "64 ids", subject: ours{sink: "sqlite"}, load: with(ids(64)), like: "ids-1000", warm: 20_000},
			{name: "ids-1000", title: "1,000 ids", subject: ours{sink: "sqlite"}, load: standard(), warm: 20_000},
			{name: "ids-100000", title: "100,000 ids", subject: ours{sink: "sqlite"}, load: with(ids(100_000)), like: "ids-1000", warm: 20_000},
			{name: "ids-1000000", title: "1,000,000 ids, one message each", subject: ours{sink: "sqlite"}, load: with(ids(1_000_000)), count: 1_000_000, warm: 20_000, rounds: 2, slow: true},
			sparse("bulk-1", "neighbours together", limit.Bulk{Neighbours: true}),
			sparse("bulk-1-spread", "ids spread over all", limit.Bulk{}),
		}},
		{"connections", "How many connections, one frame a write, 10,000 ids", connections()},
		{"sizes", "How large messages are, into SQLite", []testCase{
			{name: "size-100", title: "100 B", subject: ours{sink: "sqlite"}, load: with(size(100)), warm: 20_000},
			{name: "size-1k", title: "1 KB", subject: ours{sink: "sqlite"}, load: with(size(1000)), warm: 10_000},
			{name: "size-16k", title: "16 KB", subject: ours{sink: "sqlite"}, load: with(size(16_000)), warm: 2_000},
		}},
		{"latency", "From receipt to stored, batch_wait=50ms, into SQLite", []testCase{
			{name: "full", title: "full load", subject: ours{sink: "sqlite", set: waiting}, load: standard(), warm: 20_000},
			{name: "half", title: "half of full load", subject: ours{sink: "sqlite", set: waiting}, load: standard(), half: "full"},
		}},
	}
}

// waiting are the settings of the latency.
var waiting = []string{"router.batch_wait=50ms"}

// rungs are the designs of the ladder, with as many messages as they can take in
// some seconds, and what they are compared with. Those that wait ten seconds for
// batches to fill get so many that what waits at the end is a small part.
func rungs() []testCase {
	counts := map[string]int{
		"direct": 4000, "direct-tx": 4000, "lock": 3000, "transaction": 2000, "map": 20_000, "map-locked": 50_000,
		"channels": 100_000, "channels-repaired": 100_000, "channels-bulk": 200_000,
	}
	cases := []testCase{{
		name: "mariadb", title: "MariaDB", subject: ours{sink: "mysql"}, load: with(numbered), warm: 20_000, slow: true,
	}}
	for _, design := range ladder.Designs() {
		c := testCase{
			name: design, title: "ladder: " + design, subject: rung{design}, load: standard(),
			count: counts[design], cold: true, slow: true, rounds: 1,
		}
		if design == "channels-repaired" || design == "channels-bulk" {
			c.rounds = 0 // they are those to beat
		}
		cases = append(cases, c)
	}
	return cases
}

// connections are the daemon and the bare loop with more and more of them.
func connections() []testCase {
	var cases []testCase
	for _, n := range []int{1, 64, 1000, 10_000} {
		l, count := with(ids(10_000), conns(n), single), 0
		if n == 10_000 {
			count = 100_000 // each has some after its first
		}
		cases = append(cases,
			testCase{
				name: fmt.Sprintf("read-decode-%d", n), title: fmt.Sprintf("limit: bare read loop and decoder, %d", n),
				subject: reader{decode: true}, load: l, warm: 30_000, count: count,
			},
			testCase{
				name: fmt.Sprintf("discard-%d", n), title: fmt.Sprintf("discard, %d", n),
				subject: ours{sink: "discard"}, load: l, warm: 30_000, count: count,
			})
	}
	return cases
}

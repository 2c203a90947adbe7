package main

import "github.com/ingestd/ingestd/bench/limit"

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
	}
}

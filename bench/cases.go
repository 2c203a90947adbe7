package main

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
		{"sqlite", "Into SQLite, synchronous=FULL", []testCase{
			{name: "read-decode", title: "limit: bare read loop and decoder", subject: reader{decode: true}, load: standard(), warm: 50_000},
			{name: "sqlite", title: "SQLite", subject: ours{sink: "sqlite"}, load: standard(), warm: 20_000},
			{name: "sqlite-50", title: "SQLite, 50 a frame", subject: ours{sink: "sqlite"}, load: with(fifty), like: "sqlite", warm: 20_000},
			{name: "sqlite-acks", title: "SQLite, acks", subject: ours{sink: "sqlite"}, load: with(numbered), like: "sqlite", warm: 20_000},
			{name: "sqlite-hot", title: "SQLite, one id with all the traffic", subject: ours{sink: "sqlite"}, load: with(ids(1), shared), like: "sqlite", warm: 20_000},
			{name: "sqlite-spool", title: "SQLite, spool", subject: ours{sink: "sqlite", spool: true}, load: standard(), like: "sqlite", warm: 20_000},
		}},
	}
}

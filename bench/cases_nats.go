package main

import "github.com/ingestd/ingestd/bench/load"

// The servers of a stream: one, or a cluster; that sync every write, or sometimes.
var (
	oneSync   = servers{size: 1, sync: true}
	one       = servers{size: 1}
	threeSync = servers{size: 3, sync: true}
	three     = servers{size: 3}
)

// natsBlocks are the cases of --nats: what each hop adds of a layout with edges, NATS
// and writers. All processes are on this machine.
func natsBlocks() []block {
	edge := func(name, title string, n servers, l load.Config) testCase {
		return testCase{name: name, title: "edge: " + title, subject: ours{sink: "nats", nats: n}, load: l, warm: 50_000}
	}
	daemon := func(name, title, sink string) testCase {
		return testCase{name: name, title: "one daemon: " + title, subject: ours{sink: sink}, load: standard(), warm: 20_000}
	}
	reads := func(name, title, sink string) testCase {
		return testCase{
			name: name, title: "writer: " + title, subject: writer{ours{sink: sink}, oneSync},
			load: standard(), like: sink, warm: 20_000,
		}
	}
	whole := func(name, title string, n servers) testCase {
		return testCase{
			name: name, title: "edge, NATS, writer: " + title, subject: chain{writer: writer{ours{sink: "mysql"}, n}},
			load: standard(), like: "mysql", warm: 20_000,
		}
	}
	// At half of the load it is the latency that counts: nobody waits for long until a
	// batch is full.
	half := func(name, title string, n servers) testCase {
		c := whole(name, title+", half of the full load of one that syncs", n)
		c.half, c.like, c.warm = "chain", "", 0
		c.subject = chain{
			writer: writer{ours{sink: "mysql", set: waiting}, n},
			edge:   []string{"router.batch_wait=5ms"},
		}
		return c
	}
	alone := daemon("mysql-half", "MariaDB, the same load", "mysql")
	alone.subject = ours{sink: "mysql", set: waiting}
	alone.half, alone.warm = "chain", 0
	return []block{
		{"nats-edge", "An edge: from the socket into JetStream", []testCase{
			daemon("discard", "discard", "discard"),
			edge("nats", "one server that syncs", oneSync, standard()),
			edge("nats-lazy", "one server", one, standard()),
			edge("nats-3", "three servers that sync, three replicas", threeSync, standard()),
			edge("nats-3-lazy", "three servers, three replicas", three, standard()),
			edge("nats-acks", "one server that syncs, acks", oneSync, with(numbered)),
			daemon("sqlite", "SQLite", "sqlite"),
			daemon("mysql", "MariaDB", "mysql"),
		}},
		{"nats-writer", "A writer: from JetStream into a database", []testCase{
			daemon("sqlite", "SQLite", "sqlite"),
			reads("writer-sqlite", "SQLite", "sqlite"),
			daemon("mysql", "MariaDB", "mysql"),
			reads("writer-mysql", "MariaDB", "mysql"),
		}},
		{"nats-chain", "All of it: from the socket through JetStream into MariaDB", []testCase{
			daemon("mysql", "MariaDB", "mysql"),
			whole("chain", "one server that syncs", oneSync),
			whole("chain-3", "three servers that sync, three replicas", threeSync),
			half("chain-half", "one server that syncs", oneSync),
			half("chain-half-lazy", "one server", one),
			half("chain-half-3", "three servers that sync, three replicas", threeSync),
			alone,
		}},
	}
}

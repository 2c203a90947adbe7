// Package cluster tests ingestd on more than one machine, as far as one machine can
// show it: three nats-servers that are a JetStream cluster, two edges, two writer
// daemons and a real MariaDB, each a process of its own, and named clients that
// reach the edges through a balancer. There is nothing in it but tests.
//
// While the clients send, one process of each kind after the other is killed or
// halted, and started again. What is stored afterwards, the judge of package drill
// compares with what was sent and acked; and while it happens, a watch looks
// whether anything is stored of a client and an id without what was sent before.
//
// Each test has a short form, which is always run, and a long one: see package
// long. No fault counts before something was acked, and something stored, after
// it: a cluster that does nothing passes none of them.
package cluster

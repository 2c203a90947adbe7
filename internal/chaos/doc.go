// Package chaos tests ingestd against what happens to its surroundings: the built
// program runs as its own process under load, a real MariaDB is killed, halted and
// robbed of its connections, the network between clients and daemon breaks in every
// way, and the daemon itself is killed in the middle of its drain. There is nothing
// in it but tests. What is stored afterwards, the judge of package drill compares
// with what was sent and acked.
//
// Each test has a short form, which is always run, and a long one (see package
// long), with more of the same. No fault counts before something was acked under
// it or after it: a daemon that does nothing passes none of them.
package chaos

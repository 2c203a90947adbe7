// Package natstest runs NATS servers for tests, with JetStream on disk: in the
// process of the test, [Start] and [Cluster], or as processes that can be killed,
// [StartNodes]. They listen on the loopback, and can be stopped and started again
// with what they have stored, at the same ports.
package natstest

// Package transporttest checks that a transport keeps the contract of
// [engine.Transport], and helps to test one: its [Router] takes the place of an
// engine, and settles messages when and how the test says.
//
// [Run] is the conformance kit. Each of its cases carries the sentence of the
// contract that it checks, and prints it when it fails.
package transporttest

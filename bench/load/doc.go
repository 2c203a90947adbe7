// Package load is the client that loads a websocket server for the benchmarks. It
// costs as little as it can, since it shares the machine with the server: frames
// are made once and only their digits are changed, several go out with one write,
// and the wire is read by hand.
package load

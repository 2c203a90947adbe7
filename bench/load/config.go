package load

import (
	"errors"
	"fmt"
)

// Config says what to send, and how.
type Config struct {
	URL   string // ws://host:port/path
	Conns int    // connections
	IDs   int    // different ids

	// Shared lets every connection send to every id. Otherwise each id belongs to
	// one connection, as with devices that report about themselves.
	Shared bool

	Count    int     // messages in all; rounded up to whole frames on each connection
	Size     int     // bytes of a message
	PerFrame int     // messages in a frame, one a line
	Burst    int     // frames that go out with one write, at most; 0: as many as fit 16 KiB
	Rate     float64 // messages a second; 0: as fast as they are taken

	// Numbered gives each connection a name and each message a number, so that it
	// is acked.
	Numbered bool

	// Close ends with the closing handshake, for servers that answer nothing else.
	// Otherwise the end is a flush and its answer.
	Close bool

	// Silent ends as soon as everything is sent: nobody answers. Where messages are
	// numbered too, their acks are not waited for.
	Silent bool
}

// burstBytes is how much goes out with one write where nothing else is said.
const burstBytes = 16 << 10

// Validate reports every fault at once.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Conns >= 1 && c.Conns <= maxConns, "conns must be 1 to %d, not %d", maxConns, c.Conns)
	check(c.IDs >= 1 && c.IDs <= maxIDs, "ids must be 1 to %d, not %d", maxIDs, c.IDs)
	check(c.Shared || c.IDs >= c.Conns, "%d connections cannot have ids of their own among %d", c.Conns, c.IDs)
	check(c.Count >= 1, "count must be at least 1, not %d", c.Count)
	check(c.PerFrame >= 1, "messages in a frame must be at least 1, not %d", c.PerFrame)
	check(c.Burst >= 0 && c.Rate >= 0, "burst and rate must not be negative")
	check(c.Size >= smallest(c.Numbered), "a message has at least %d bytes, not %d", smallest(c.Numbered), c.Size)
	check(!c.Close || !c.Silent, "either close or silent")
	check(!c.Numbered || !c.Close, "acks come only from who answers a flush")
	return errors.Join(errs...)
}

// frames is how many frames a connection sends.
func (c Config) frames() int {
	each := c.Conns * c.PerFrame
	return (c.Count + each - 1) / each
}

// Sent is how many messages are sent in all.
func (c Config) Sent() int { return c.frames() * c.Conns * c.PerFrame }

// burst is how many frames of this size go out with one write.
func (c Config) burst(frame int) int {
	n := c.Burst
	if n == 0 {
		n = max(1, burstBytes/frame)
	}
	return min(n, c.frames())
}

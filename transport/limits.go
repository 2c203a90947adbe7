package transport

import (
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
)

// LimitsConfig is what a client may do with an open connection. It is embedded in
// [WebSocketConfig]. All of it can change while the server runs; Compression and
// MaxStreams then count for new connections.
type LimitsConfig struct {
	// FrameTimeout is how long a message may take from its first byte to its last,
	// over all of its fragments. The time during which the server itself does not
	// read does not count. 0: as long as it likes.
	FrameTimeout time.Duration `hcl:"frame_timeout,optional" live:"true"`

	// MaxFragments is the most fragments that a message may come in. Empty ones are
	// not counted; like control frames they have a limit of their own, of 16 KiB a
	// second, and of 64 pings among them. Nor are they where Compression was agreed
	// upon: what does not bring data there counts against that limit too.
	MaxFragments int `hcl:"max_fragments,optional" live:"true"`

	// MessagesPerSecond and BytesPerSecond, of payload, are how fast a connection is
	// read. What comes faster waits in the network, as does its sender in the end; no
	// message is refused. A frame is taken whole, and the connection waits after it.
	// 0: no limit.
	MessagesPerSecond int         `hcl:"messages_per_second,optional" live:"true"`
	BytesPerSecond    engine.Size `hcl:"bytes_per_second,optional" live:"true"`

	// Burst is of how much time a connection may make up for what it did not send.
	Burst time.Duration `hcl:"burst,optional" live:"true"`

	// MaxStreams is the most streams of which a connection may have messages
	// outstanding. Where a message begins one more, nothing is read until a stream
	// has none. 0: no limit but the router's.
	MaxStreams int `hcl:"max_streams_per_connection,optional" live:"true"`

	// Compression lets clients compress their messages. MaxMessageSize is then of
	// what comes out. Answers are not compressed.
	Compression bool `hcl:"compression,optional" live:"true"`
}

func defaultLimits() LimitsConfig {
	return LimitsConfig{FrameTimeout: 10 * time.Second, MaxFragments: 1000, Burst: time.Second}
}

func (c LimitsConfig) validate(check checker) {
	check(c.FrameTimeout >= 0, "frame_timeout", "must be positive, or 0 for none, not %v", c.FrameTimeout)
	check(c.MaxFragments >= 1, "max_fragments", "must be at least 1, not %d", c.MaxFragments)
	check(c.MessagesPerSecond >= 0, "messages_per_second", "must not be negative, not %d", c.MessagesPerSecond)
	check(c.BytesPerSecond >= 0, "bytes_per_second", "must not be negative, not %v", c.BytesPerSecond)
	check(c.Burst >= 0, "burst", "must not be negative, not %v", c.Burst)
	check(c.MaxStreams >= 0, "max_streams_per_connection", "must not be negative, not %d", c.MaxStreams)
}

// compression gives what is offered to a client. A context that outlives a message
// would hold its window for as long as the connection lasts.
func (c *LimitsConfig) compression() websocket.CompressionMode {
	if c.Compression {
		return websocket.CompressionNoContextTakeover
	}
	return websocket.CompressionDisabled
}

// rated tells whether there is a rate to keep.
func (c *LimitsConfig) rated() bool { return c.MessagesPerSecond > 0 || c.BytesPerSecond > 0 }

// pace is a rate that is kept by waiting.
type pace struct{ free time.Time } // when what was taken so far may have been taken

// take takes n, and gives when the next may be. What was free for longer than
// burst is lost.
func (p *pace) take(n, rate int64, burst time.Duration, now time.Time) time.Time {
	if rate <= 0 || n == 0 {
		return p.free
	}
	if from := now.Add(-burst); p.free.Before(from) {
		p.free = from
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	return p.free
}

// paces are those of a connection. Only its run goroutine uses them.
type paces struct{ messages, bytes pace }

// throttlePace is how often a connection that waits looks whether other limits
// have come into effect.
const throttlePace = time.Second

// throttle waits after a frame until the next may be read, or nothing more is to
// be routed.
func (c *conn) throttle(limits *LimitsConfig, messages, bytes int) {
	now := time.Now()
	free := c.paces.messages.take(int64(messages), int64(limits.MessagesPerSecond), limits.Burst, now)
	if other := c.paces.bytes.take(int64(bytes), int64(limits.BytesPerSecond), limits.Burst, now); free.Before(other) {
		free = other
	}
	for d := free.Sub(now); d > 0; d = time.Until(free) {
		if !c.rest(min(d, throttlePace)) {
			return
		}
		if c.ws.limits.Load() != limits {
			c.paces = paces{}
			return
		}
	}
}

// rest waits for d. It returns false once nothing more is to be routed.
func (c *conn) rest(d time.Duration) bool {
	over := false
	t := time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		over = true
		c.room.Broadcast()
	})
	defer t.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !over && !c.draining && !c.gone {
		c.room.Wait()
	}
	return !c.draining && !c.gone
}

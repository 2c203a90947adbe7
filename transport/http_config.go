package transport

import (
	"errors"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// HTTPConfig says where an HTTP listens and what it takes. Start from
// [DefaultHTTPConfig]; a zero is a value like any other.
//
// The fields with a tag are the attributes of a transport "http" block. The others
// are for the program that embeds the transport.
type HTTPConfig struct {
	ServerConfig

	// Ops are the ops whose messages are stored. "report" always is.
	Ops []string `hcl:"ops,optional"`

	// Ack says when a request is answered: AckStored, once the sink has its messages,
	// or AckSpooled, once the spool has them on disk (which needs a spool).
	Ack string `hcl:"ack,optional"`

	// MaxBodySize is the most bytes that a body may have, as it is sent and as it is
	// decompressed.
	MaxBodySize engine.Size `hcl:"max_body_size,optional"`

	// MaxMessageSize is the most bytes that one message of a body may have.
	MaxMessageSize engine.Size `hcl:"max_message_size,optional"`

	// MaxBodies is how much memory the bodies of all requests may take together,
	// until they are accepted. A request that finds no room is answered with 503.
	MaxBodies engine.Size `hcl:"max_bodies,optional"`

	// BodyTimeout is how long a body may take to arrive. For each 16 KiB that arrive it
	// is a second more, but never more than BodyTimeout from then on: so that is how
	// long it may pause, however much of it has come.
	BodyTimeout time.Duration `hcl:"body_timeout,optional"`

	// Decode says where the fields of messages are that are not of the form of our
	// own. nil: they are.
	Decode *DecodeConfig `hcl:"decode,block"`

	// WriteTimeout is how long a client may leave its answer in the socket.
	WriteTimeout time.Duration

	// Holds is shared with the transports whose clients may send to the same streams.
	// A request holds no stream; but a done of a request is one for those that do.
	Holds *Holds
}

// DefaultHTTPConfig is an empty transport "http" block.
func DefaultHTTPConfig() HTTPConfig {
	return HTTPConfig{
		ServerConfig:   defaultServerConfig("127.0.0.1:7003", "/v1/messages"),
		Ops:            []string{opReport},
		Ack:            AckStored,
		MaxBodySize:    8 * engine.MiB,
		MaxMessageSize: 1 * engine.MiB,
		MaxBodies:      64 * engine.MiB,
		BodyTimeout:    10 * time.Second,
		WriteTimeout:   10 * time.Second,
	}
}

// leastBodies is room for the window of zstd, and for a body besides.
const leastBodies = 2 * zstdWindow

// Validate reports every fault at once, each as an [engine.OptionError], joined.
func (c HTTPConfig) Validate() error {
	var errs []error
	check := checking(&errs)
	c.validate(check)
	WebSocketConfig{Ops: c.Ops}.validateOps(check)
	c.Decode.validate(check, operations(c.Ops, nil))
	check(c.Ack == AckStored || c.Ack == AckSpooled,
		"ack", "must be %q or %q, not %q", AckStored, AckSpooled, c.Ack)
	check(c.MaxBodySize >= minMessageSize && c.MaxBodySize <= maxMessageSize, "max_body_size",
		"must be %v to %v, not %v", minMessageSize, maxMessageSize, c.MaxBodySize)
	check(c.MaxMessageSize >= minMessageSize && c.MaxMessageSize <= maxMessageSize, "max_message_size",
		"must be %v to %v, not %v", minMessageSize, maxMessageSize, c.MaxMessageSize)
	check(c.MaxBodies >= leastBodies, "max_bodies", "must be at least %v, not %v", leastBodies, c.MaxBodies)
	check(c.MaxBodies >= 2*c.MaxBodySize, "max_bodies",
		"must be at least twice max_body_size, %v, not %v: a compressed body is there twice", c.MaxBodySize, c.MaxBodies)
	check(c.BodyTimeout > 0, "body_timeout", "must be positive, not %v", c.BodyTimeout)
	check(c.WriteTimeout > 0, "write_timeout", "must be positive, not %v", c.WriteTimeout)
	return errors.Join(errs...)
}

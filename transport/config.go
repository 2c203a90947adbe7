package transport

import (
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/ingestd/ingestd/engine"
)

// maxOpLen is the most bytes that the name of an op may have.
const maxOpLen = 64

// The values of WebSocketConfig.Ack and WebSocketConfig.OnDisconnect.
const (
	AckStored      = "stored"
	AckSpooled     = "spooled"
	DisconnectDone = "done"
	DisconnectKeep = "keep"
)

// WebSocketConfig says where a WebSocket listens and how it treats its clients.
// Start from [DefaultWebSocketConfig]; a zero is a value like any other.
//
// The fields with a tag are the attributes of a transport "websocket" block. The
// others are for the program that embeds the transport.
type WebSocketConfig struct {
	ServerConfig
	LimitsConfig

	// Ops are the ops whose messages are stored. "report" always is.
	Ops []string `hcl:"ops,optional"`

	// Ack says when a numbered message is acked: AckStored, once the sink has it,
	// or AckSpooled, once the spool has it on disk (which needs a spool).
	Ack string `hcl:"ack,optional"`

	// OnDisconnect says what becomes of a stream whose last sender is gone:
	// DisconnectDone marks it done, DisconnectKeep leaves it open.
	OnDisconnect string `hcl:"on_disconnect,optional"`

	// DisconnectGrace is how long a sender has to come back before its streams are
	// marked done. 0: they are at once.
	DisconnectGrace time.Duration `hcl:"disconnect_grace,optional"`

	// MaxMessageSize is the most bytes that a frame may have.
	MaxMessageSize engine.Size `hcl:"max_message_size,optional"`

	// PingInterval is the time between two pings. 0: none are sent.
	PingInterval time.Duration `hcl:"ping_interval,optional"`

	// PingTimeout is how long a client that was pinged may be silent before it is
	// cut. The time during which the server itself does not read, because there is
	// no room, does not count.
	PingTimeout time.Duration `hcl:"ping_timeout,optional"`

	// Decode says where the fields of messages are that are not of the form of our
	// own. nil: they are.
	Decode *DecodeConfig `hcl:"decode,block"`

	// WriteTimeout is how long a client may leave an answer in the socket before it
	// is cut.
	WriteTimeout time.Duration

	// Handlers are the host program's own ops, by name.
	Handlers map[string]Handler

	// Holds is shared by transports whose clients may send to the same streams, so
	// that a stream is not ended while another still has a sender. nil: one of its
	// own.
	Holds *Holds

	// RestoreToken is what a message of op restore must show: it stands in the files
	// of undelivered messages that the engine of this server writes. Empty, or with a
	// Decode: there is no such op.
	RestoreToken engine.Secret `hcl:"-"`
}

// DefaultWebSocketConfig is the transport of an empty config.hcl.
func DefaultWebSocketConfig() WebSocketConfig {
	return WebSocketConfig{
		ServerConfig:   defaultServerConfig("127.0.0.1:7001", "/ws"),
		LimitsConfig:   defaultLimits(),
		Ops:            []string{opReport},
		Ack:            AckStored,
		OnDisconnect:   DisconnectDone,
		MaxMessageSize: 1 * engine.MiB,
		PingInterval:   25 * time.Second,
		PingTimeout:    10 * time.Second,
		WriteTimeout:   10 * time.Second,
	}
}

// Validate reports every fault at once, each as an [engine.OptionError], joined.
func (c WebSocketConfig) Validate() error {
	var errs []error
	check := checking(&errs)
	c.ServerConfig.validate(check)
	c.LimitsConfig.validate(check)
	check(c.Ack == AckStored || c.Ack == AckSpooled,
		"ack", "must be %q or %q, not %q", AckStored, AckSpooled, c.Ack)
	check(c.OnDisconnect == DisconnectDone || c.OnDisconnect == DisconnectKeep,
		"on_disconnect", "must be %q or %q, not %q", DisconnectDone, DisconnectKeep, c.OnDisconnect)
	check(c.DisconnectGrace >= 0, "disconnect_grace", "must not be negative, not %v", c.DisconnectGrace)
	check(c.MaxMessageSize >= minMessageSize && c.MaxMessageSize <= maxMessageSize, "max_message_size",
		"must be %v to %v, not %v", minMessageSize, maxMessageSize, c.MaxMessageSize)
	check(c.PingInterval >= 0, "ping_interval", "must be positive, or 0 for no pings, not %v", c.PingInterval)
	check(c.PingTimeout > 0, "ping_timeout", "must be positive, not %v", c.PingTimeout)
	check(c.WriteTimeout > 0, "write_timeout", "must be positive, not %v", c.WriteTimeout)
	c.validateOps(check)
	c.Decode.validate(check, operations(c.Ops, c.Handlers))
	return errors.Join(errs...)
}

// A frame of 64 bytes holds the least messages; one of 1 GiB would be in memory
// whole.
const (
	minMessageSize = 64 * engine.Byte
	maxMessageSize = 1 * engine.GiB
)

func (c WebSocketConfig) validateOps(check checker) {
	for i, op := range c.Ops {
		checkOpName(check, "ops", op)
		check(op == opReport || !isBuiltin(op), "ops", "%q has a meaning of its own and cannot be stored like a report", op)
		check(!slices.Contains(c.Ops[:i], op), "ops", "%q is listed twice", op)
	}
	names := make([]string, 0, len(c.Handlers))
	for op := range c.Handlers {
		names = append(names, op)
	}
	slices.Sort(names)
	for _, op := range names {
		checkOpName(check, "handlers", op)
		check(!isBuiltin(op), "handlers", "%q has a meaning of its own", op)
		check(!slices.Contains(c.Ops, op), "handlers", "%q is listed in ops too", op)
		check(c.Handlers[op] != nil, "handlers", "%q has no function", op)
	}
}

func checkOpName(check checker, option, op string) {
	check(op != "" && len(op) <= maxOpLen && utf8.ValidString(op),
		option, "a name must be 1 to %d bytes of UTF-8, not %q", maxOpLen, op)
}

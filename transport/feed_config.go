package transport

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/outbound"
)

// WebSocketClientConfig says which feeds a WebSocketClient takes messages from.
// Start from [DefaultWebSocketClientConfig]; a zero is a value like any other.
//
// The fields with a tag are the attributes of a transport "websocket_client" block.
// The others are for the program that embeds the transport.
type WebSocketClientConfig struct {
	// URL are the feeds, each with ws:// or wss://. Each has a connection of its own,
	// and all have the settings below. They are secrets, for there may be a key in the
	// query.
	URL Secrets `hcl:"url,optional"`

	// Subprotocols are offered in the handshake.
	Subprotocols []string `hcl:"subprotocols,optional"`

	// Subscribe are the text frames that are sent as soon as a connection is open, to
	// ask for what the feed is to send.
	Subscribe Secrets `hcl:"subscribe,optional"`

	// Ops are the ops whose messages are stored. "report" always is.
	Ops []string `hcl:"ops,optional"`

	// MaxMessageSize is the most bytes that a frame may have. A larger one is left
	// out, and told to the log.
	MaxMessageSize engine.Size `hcl:"max_message_size,optional"`

	// ConnectTimeout is how long it may take to connect and subscribe.
	ConnectTimeout time.Duration `hcl:"connect_timeout,optional"`

	// RetryMin and RetryMax bound the wait before a lost connection is made again: it
	// is random, up to RetryMin at first, and up to twice as long after each
	// connection that did not last, but RetryMax at the most.
	RetryMin time.Duration `hcl:"retry_min,optional"`
	RetryMax time.Duration `hcl:"retry_max,optional"`

	// PingInterval is the time between two pings. 0: none are sent.
	PingInterval time.Duration `hcl:"ping_interval,optional"`

	// PingTimeout is how long a feed that was pinged may be silent before the
	// connection is made anew. The time during which nothing is read, because there is
	// no room, does not count.
	PingTimeout time.Duration `hcl:"ping_timeout,optional"`

	// Headers are sent with the handshake.
	Headers []HeaderConfig `hcl:"header,block"`

	// TLS is for feeds with wss://. nil: the roots of the system, and no certificate.
	TLS *ClientTLSConfig `hcl:"tls,block"`

	// Decode says where the fields of messages are that are not of the form of our
	// own. nil: they are.
	Decode *DecodeConfig `hcl:"decode,block"`

	// Name is the Sender of the messages.
	Name string `hcl:"-"`

	// Holds is shared with the transports whose clients may send to the same streams.
	// A feed holds no stream; but a done of a feed is one for those that do.
	Holds *Holds `hcl:"-"`

	// Logger hears what an operator should know; nil: nobody does.
	Logger hclog.Logger `hcl:"-"`
}

// Secrets are texts that are never shown.
type Secrets = outbound.Secrets

// HeaderConfig is one header of a handshake.
type HeaderConfig struct {
	Name  string        `hcl:"name,label"`
	Value engine.Secret `hcl:"value,optional"`
}

// ClientTLSConfig is for connections that are dialled. The files are read for each
// connection, so that they can be renewed without a restart.
type ClientTLSConfig = outbound.TLS

// DefaultWebSocketClientConfig is a transport "websocket_client" block, without its
// URL.
func DefaultWebSocketClientConfig() WebSocketClientConfig {
	return WebSocketClientConfig{
		Subprotocols:   []string{},
		Ops:            []string{opReport},
		MaxMessageSize: 1 * engine.MiB,
		ConnectTimeout: 10 * time.Second,
		RetryMin:       500 * time.Millisecond,
		RetryMax:       time.Minute,
		PingInterval:   25 * time.Second,
		PingTimeout:    10 * time.Second,
	}
}

// Validate reports every fault at once, each as an [engine.OptionError], joined.
func (c WebSocketClientConfig) Validate() error {
	var errs []error
	check := checking(&errs)
	check(len(c.URL) > 0, "url", "is missing: it says which feed to connect to, as in \"wss://feed.example.com/v1\"")
	secure := false
	for i, text := range c.URL {
		u, problem := parseFeed(string(text))
		check(problem == "", "url", "%s", problem)
		check(!slices.Contains(c.URL[:i], text), "url", "one is there twice")
		secure = secure || problem == "" && u.Scheme == "wss"
	}
	for _, p := range c.Subprotocols {
		check(isToken(p), "subprotocols", "%q is not the name of a subprotocol", p)
	}
	for _, frame := range c.Subscribe {
		check(frame != "" && utf8.ValidString(string(frame)), "subscribe", "a frame must be UTF-8, and not empty")
	}
	for i, h := range c.Headers {
		option := "header." + h.Name
		check(isToken(h.Name), option, "%q is not the name of a header", h.Name)
		name := http.CanonicalHeaderKey(h.Name)
		check(!isHandshakeHeader(name), option, "is a part of the handshake, and cannot be set")
		check(!slices.ContainsFunc(c.Headers[:i], func(o HeaderConfig) bool { return http.CanonicalHeaderKey(o.Name) == name }),
			option, "is there twice")
		check(h.Value != "", option, "has no value")
		check(!strings.ContainsFunc(string(h.Value), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }),
			option+".value", "must be one line")
	}
	if c.TLS != nil {
		check(secure || len(c.URL) == 0, "tls", "is for feeds with wss://, and there is none")
		check((c.TLS.Cert == "") == (c.TLS.Key == ""), "tls.cert", "and key belong together: set both")
	}
	check(c.MaxMessageSize >= minMessageSize && c.MaxMessageSize <= maxMessageSize, "max_message_size",
		"must be %v to %v, not %v", minMessageSize, maxMessageSize, c.MaxMessageSize)
	check(c.ConnectTimeout > 0, "connect_timeout", "must be positive, not %v", c.ConnectTimeout)
	check(c.RetryMin > 0, "retry_min", "must be positive, not %v", c.RetryMin)
	check(c.RetryMax >= c.RetryMin, "retry_max", "must be at least retry_min, %v, not %v", c.RetryMin, c.RetryMax)
	check(c.PingInterval >= 0, "ping_interval", "must be positive, or 0 for no pings, not %v", c.PingInterval)
	check(c.PingTimeout > 0, "ping_timeout", "must be positive, not %v", c.PingTimeout)
	WebSocketConfig{Ops: c.Ops}.validateOps(check)
	c.Decode.validate(check, feedOps(c.Ops))
	if c.Decode != nil {
		check(c.Decode.Seq == nil, "decode.seq", "is of no use: the numbers of a feed, which has no client name, are not kept")
	}
	return errors.Join(errs...)
}

// feedOps are the ops of a feed: it is told nothing, so it can ask for nothing.
func feedOps(stored []string) map[string]*operation {
	ops := operations(stored, nil)
	delete(ops, opFlush)
	delete(ops, opResume)
	return ops
}

// parseFeed reads the URL of a feed. What is wrong with it is told without it.
func parseFeed(text string) (u *url.URL, problem string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "":
		return nil, "must be ws:// or wss:// with a host"
	case u.User != nil:
		return nil, "must have no user and password: put them into header \"Authorization\""
	case u.Fragment != "":
		return nil, "must have no # in it"
	}
	return u, ""
}

// isToken tells whether s is a token as RFC 9110 has it.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
	})
}

func isHandshakeHeader(name string) bool {
	return name == "Host" || name == "Connection" || name == "Upgrade" || name == "Content-Length" ||
		name == "Transfer-Encoding" || strings.HasPrefix(name, "Sec-Websocket-")
}

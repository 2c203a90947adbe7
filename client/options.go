package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
)

// The limits of the wire.
const (
	// MaxIDLen is the most bytes that an id may have.
	MaxIDLen = 255
	// MaxNameLen is the most bytes that a client's name may have.
	MaxNameLen = 64
	// MaxSeq is the greatest number that a client may give.
	MaxSeq = 1<<62 - 1
	// MaxWindow is the greatest Options.Window: a server remembers for at least
	// that many ids of a connection which of them has a gap.
	MaxWindow = 1<<16 - 1
)

// Message is one report about a thing known by an id.
type Message struct {
	// ID is the stream that the message belongs to: 1 to MaxIDLen bytes of UTF-8.
	// "17" is the same stream as the number 17.
	ID string

	// Seq is the message's number within its id, 1 to MaxSeq. 0: the client gives
	// one, which ascends: Unix microseconds, or one more than its last. A number of
	// the caller's own must ascend within its id too; gaps are fine.
	Seq int64

	// Op is what kind of report it is; "" is "report". "done" ends the stream like
	// [Client.Done], without waiting for the answer.
	Op string

	// Time is when it happened; zero: when the server receives it.
	Time time.Time

	// RawTime is used where Time is zero: a JSON string or number, as the wire has
	// it, passed on as it is.
	RawTime json.RawMessage

	// Code is a status code of the caller's own.
	Code int64

	// Data is the payload, one JSON value, stored byte for byte; empty is null.
	Data json.RawMessage
}

// Refusal says that a message was refused for good. It is an error.
type Refusal struct {
	ID   string // of the message
	Seq  int64  // of the message
	Code string // "rejected", "conflict", or another code of the wire; or CodeTooLarge
	Text string // for a person
}

// CodeTooLarge is the Code of a message that alone is larger than the server's
// max_message_size. The wire has no such code: the server closes the connection.
const CodeTooLarge = "too_large"

func (r *Refusal) Error() string {
	return fmt.Sprintf("refused: id %q seq %d: %s: %s", r.ID, r.Seq, r.Code, r.Text)
}

// Options are the settings of a Client. The zero value is good.
type Options struct {
	// Name is who numbers the messages: with it, the id and the number, the server
	// tells what it has already. At most one client may use a name at a time, and
	// one that comes again with it must go on with higher numbers. Empty: a random
	// one; with File, the one that is kept there.
	Name string

	// File keeps what is not acked, so that a producer that is started again goes
	// on where it was; see the package's documentation for what a crash costs.
	// Empty: it is kept in memory only. A lock file lies beside it.
	File string

	// Sync has Send wait until the message is on disk, not only with the operating
	// system: then it survives a crash of the machine. It costs a sync of the disk,
	// which concurrent calls share.
	Sync bool

	// Window is how many messages may be without ack before Send blocks; at most
	// MaxWindow. 0: 32,768.
	Window int

	// WindowBytes is how many bytes they may have together, as encoded. One message
	// is taken whatever its size where there is no other. 0: 32 MiB.
	WindowBytes int

	// FrameBytes is how large a frame of several messages may get; it must be below
	// the server's max_message_size. A larger message has a frame to itself. Where
	// the server finds a frame too large, the client makes smaller ones. 0: 64 KiB.
	FrameBytes int

	// Acked is called for each ack: the message seq of this id, and all that were
	// sent before it under this id, are stored (or spooled, where the server acks
	// that), or were refused, and Refused was called for them before. Only what is
	// acked may be forgotten. With ids of which no more than one number was sent,
	// that is one call a message; else fewer.
	//
	// Acked and Refused are called one at a time, on a goroutine of the client's
	// that nothing else happens on meanwhile: they must not wait, and must not call
	// a method of the client.
	Acked func(id string, seq int64)

	// Refused is called once for each message that was refused for good. nil: it is
	// logged.
	Refused func(Refusal)

	// RetryMin and RetryMax bound the pauses between attempts to connect, and
	// before a message is sent again that the server had no room for. They double,
	// with full jitter: a pause is anything from 0 to that. 0: 100 ms and 10 s.
	RetryMin, RetryMax time.Duration

	// ConnectTimeout bounds one attempt to connect. 0: 10 s.
	ConnectTimeout time.Duration

	// PingInterval is after how long without a sign of the server it is pinged.
	// 0: 20 s.
	PingInterval time.Duration

	// PingTimeout is how long after that the connection is given up and made anew,
	// if there still is no sign. A server that holds its clients back reads
	// nothing, answers no ping, but sends its own: so the two together should be
	// more than twice the server's ping_interval. 0: 60 s.
	PingTimeout time.Duration

	// Offline has Dial return at once, without a connection; it is made in the
	// background, and messages collect meanwhile.
	Offline bool

	// Header is sent with each handshake: Authorization, say.
	Header http.Header

	// HTTPClient makes the connections; it has the settings for TLS and proxies.
	// nil: one of its own.
	HTTPClient *http.Client

	// Logger hears of connections lost and made. nil: nobody does.
	Logger hclog.Logger
}

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	zero(&o.Window, 32<<10)
	zero(&o.WindowBytes, 32<<20)
	zero(&o.FrameBytes, 64<<10)
	zero(&o.RetryMin, 100*time.Millisecond)
	zero(&o.RetryMax, 10*time.Second)
	zero(&o.ConnectTimeout, 10*time.Second)
	zero(&o.PingInterval, 20*time.Second)
	zero(&o.PingTimeout, 60*time.Second)
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	return o
}

func zero[T comparable](v *T, otherwise T) {
	var none T
	if *v == none {
		*v = otherwise
	}
}

// Validate reports every fault at once, joined.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(len(o.Name) <= MaxNameLen && utf8.ValidString(o.Name),
		"Name: must be at most %d bytes of UTF-8, not %q", MaxNameLen, o.Name)
	check(!o.Sync || o.File != "", "Sync: needs a File")
	check(o.Window >= 0 && o.Window <= MaxWindow, "Window: must be at most %d messages, not %d", MaxWindow, o.Window)
	check(o.WindowBytes >= 0, "WindowBytes: must not be negative, not %d", o.WindowBytes)
	check(o.FrameBytes >= 0, "FrameBytes: must not be negative, not %d", o.FrameBytes)
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"RetryMin", o.RetryMin},
		{"RetryMax", o.RetryMax},
		{"ConnectTimeout", o.ConnectTimeout},
		{"PingInterval", o.PingInterval},
		{"PingTimeout", o.PingTimeout},
	} {
		check(d.d >= 0, "%s: must not be negative, not %v", d.name, d.d)
	}
	return errors.Join(errs...)
}

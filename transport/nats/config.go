package nats

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
)

// Config says which stream a Reader takes messages from. Start from [DefaultConfig];
// a zero is a value like any other.
//
// The fields with a tag are the attributes of a transport "nats" block. The others
// are for the program that embeds the transport.
//
// What a Reader holds in memory of a partition is bounded: the carriers of one
// request to NATS, which are at most 256 and 1 MiB together (or a single larger one,
// up to the server's max_payload), and of those that are routed and not settled, at
// most 8,192, some words each and their ids, 1 MiB of these. So it is at most 3 MiB a
// partition, beside what the engine holds within max_pending, and a few words for each
// of the 4,096 sinks at most that wrote to it in the last day.
type Config struct {
	jet.Connection

	// Stream is the name of the stream. Those who write it make it, and say in its
	// metadata how many partitions it has.
	Stream string `hcl:"stream,optional"`

	// Group is whom the partitions are shared among: all Readers of one group store
	// each message once. Another group reads everything for itself, from the first
	// message that the stream has when the group begins.
	Group string `hcl:"group,optional"`

	// Name tells Readers apart in the log, together with a random part. Empty: the
	// name of the host.
	Name string `hcl:"name,optional"`

	// Logger hears what an operator should know; nil: nobody does.
	Logger hclog.Logger `hcl:"-"`
}

// DefaultConfig is an empty transport "nats" block.
func DefaultConfig() Config {
	return Config{Connection: jet.DefaultConnection(), Stream: "ingest", Group: "ingest"}
}

// Validate reports every fault at once, each as an [engine.OptionError], joined.
func (c Config) Validate() error {
	errs := []error{c.Connection.Validate()}
	if !jet.ValidName(c.Stream) {
		errs = append(errs, &engine.OptionError{Option: "stream", Problem: fmt.Sprintf(
			"must be 1 to 200 letters, digits, - and _, not %q", c.Stream)})
	}
	check := func(ok bool, option, value string) {
		if !ok {
			errs = append(errs, &engine.OptionError{Option: option, Problem: fmt.Sprintf(
				"must be 1 to 64 letters, digits, - and _, not %q", value)})
		}
	}
	check(isName(c.Group), "group", c.Group)
	check(c.Name == "" || isName(c.Name), "name", c.Name)
	return errors.Join(errs...)
}

// isName tells whether s can be a part of a subject and of a key.
func isName(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, notInName) < 0
}

func notInName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
}

// asName makes a name of any text.
func asName(s string) string {
	s = strings.Map(func(r rune) rune {
		if notInName(r) {
			return '-'
		}
		return r
	}, s)
	return s[:min(len(s), 64)]
}

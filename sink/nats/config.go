package nats

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
)

// Config says which stream to write, and how. Start from [DefaultConfig].
type Config struct {
	// Connection is where NATS is, and as whom it is written to.
	jet.Connection

	// Stream is the name of the stream, and Subject that of its messages, to which
	// the number of the partition is added: ingest.0, ingest.1, ….
	Stream  string `hcl:"stream,optional"`
	Subject string `hcl:"subject,optional"`

	// Partitions is over how many partitions the ids are spread, 1 to 4096. It
	// cannot be changed once the stream is there: it bounds how many readers there
	// can be.
	Partitions int `hcl:"partitions,optional"`

	// Replicas, Storage and MaxBytes are those of the stream where it is made; one
	// that is there stays as it is. Storage is "file" or "memory". A stream that has
	// MaxBytes takes nothing until some of it was read.
	Replicas int         `hcl:"replicas,optional"`
	Storage  string      `hcl:"storage,optional"`
	MaxBytes engine.Size `hcl:"max_bytes,optional"`

	// AckTimeout is how long NATS may take to store what is published. What it has
	// not stored by then is published again.
	AckTimeout time.Duration `hcl:"ack_timeout,optional"`

	// Writers is how many Writes there are at a time, and GroupSize how many
	// messages each has at most. They are for who makes the engine. All carriers of
	// a Write are under way at once, and a partition has one at a time: so two
	// Writes wait for each other, and mostly one is best.
	Writers   int `hcl:"writers,optional"`
	GroupSize int `hcl:"group_size,optional"`
}

// DefaultConfig is that of a sink block without attributes.
func DefaultConfig() Config {
	return Config{
		Connection: jet.DefaultConnection(),
		Stream:     "ingest",
		Subject:    "ingest",
		Partitions: 64,
		Replicas:   1,
		Storage:    "file",
		MaxBytes:   10 * engine.GiB,
		AckTimeout: 5 * time.Second,
		Writers:    1,
		GroupSize:  8000,
	}
}

var storages = map[string]jetstream.StorageType{"file": jetstream.FileStorage, "memory": jetstream.MemoryStorage}

// Validate reports every fault at once, each as an [engine.OptionError], joined.
func (c Config) Validate() error {
	errs := []error{c.Connection.Validate()}
	check := func(ok bool, option, format string, args ...any) {
		if !ok {
			errs = append(errs, &engine.OptionError{Option: option, Problem: fmt.Sprintf(format, args...)})
		}
	}
	check(jet.ValidName(c.Stream), "stream", "is no name of a stream: %q; it is 1 to 200 letters, digits, - and _", c.Stream)
	check(validSubject(c.Subject), "subject", "is no subject: %q; it is names of letters, digits, - and _, with dots between them", c.Subject)
	check(c.Partitions >= 1 && c.Partitions <= jet.MaxPartitions, "partitions", "must be 1 to %d, not %d", jet.MaxPartitions, c.Partitions)
	check(c.Replicas == 1 || c.Replicas == 3 || c.Replicas == 5, "replicas", "must be 1, 3 or 5, not %d", c.Replicas)
	check(storages[c.Storage] == jetstream.MemoryStorage || c.Storage == "file", "storage", "must be \"file\" or \"memory\", not %q", c.Storage)
	check(c.MaxBytes >= engine.MiB, "max_bytes", "must be at least 1MiB, not %v", c.MaxBytes)
	check(c.AckTimeout > 0, "ack_timeout", "must be positive, not %v", c.AckTimeout)
	check(c.Writers >= 1 && c.Writers <= 64, "writers", "must be 1 to 64, not %d", c.Writers)
	check(c.GroupSize >= 1 && c.GroupSize <= 1_000_000, "group_size", "must be 1 to 1000000, not %d", c.GroupSize)
	return errors.Join(errs...)
}

// validSubject tells whether s can stand before the number of a partition.
func validSubject(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if !jet.ValidName(token) {
			return false
		}
	}
	return true
}

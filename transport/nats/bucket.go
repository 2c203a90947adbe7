package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/internal/jet"
)

// bucket is the key-value bucket by which the readers of a stream share its
// partitions. Its keys are
//
//	<group>.reader.<name>.<random>   the heartbeat of a reader
//	<group>.partition.<number>       a place
//
// A key's revision is its sequence in the bucket's stream. A few values of each key
// stay, so that who reads the log a little late still finds each heartbeat in it.
type bucket struct {
	js      jetstream.JetStream
	stream  string // below the bucket
	prefix  string // of the subjects of keys
	created time.Time
	request time.Duration
}

const historyOfKeys = 8

// openBucket opens the bucket of a stream, and makes it where there is none.
func openBucket(ctx context.Context, js jetstream.JetStream, of jetstream.StreamConfig, request time.Duration) (*bucket, error) {
	name := of.Name + "-readers"
	_, err := js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		_, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:      name,
			Description: "who reads which partition of the stream " + of.Name + ", and how far it is stored; by ingestd",
			History:     historyOfKeys,
			Replicas:    of.Replicas,
			Storage:     of.Storage,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", name, err)
	}
	b := &bucket{js: js, stream: "KV_" + name, prefix: "$KV." + name + ".", request: request}
	stream, err := js.Stream(ctx, b.stream)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", name, err)
	}
	b.created = stream.CachedInfo().Created
	return b, nil
}

// place is what the bucket knows of a partition: who reads it, and how far it is
// stored.
type place struct {
	Version int       `json:"v"`
	Owner   string    `json:"owner"` // "": nobody
	Floor   uint64    `json:"floor"` // every carrier up to here is settled
	Time    time.Time `json:"time"`  // JetStream's, of the carrier at the floor
	Stream  time.Time `json:"made"`  // when the stream was made that the floor belongs to
	Flows   flows     `json:"flows"` // at the floor
}

const placeVersion = 1

// key is one of the bucket's keys.
type key struct {
	group     string
	reader    string // "": it is a partition's
	partition int
}

func (k key) String() string {
	if k.reader != "" {
		return k.group + ".reader." + k.reader
	}
	return k.group + ".partition." + strconv.Itoa(k.partition)
}

// keyOf reads the subject of a key; false where it is none of ours.
func (b *bucket) keyOf(subject string) (key, bool) {
	name, ok := strings.CutPrefix(subject, b.prefix)
	if !ok {
		return key{}, false
	}
	group, rest, _ := strings.Cut(name, ".")
	kind, rest, _ := strings.Cut(rest, ".")
	switch kind {
	case "reader":
		return key{group: group, reader: rest}, rest != ""
	case "partition":
		n, err := strconv.Atoi(rest)
		return key{group: group, partition: n}, err == nil && n >= 0
	}
	return key{}, false
}

// removed tells whether a message of the bucket's stream takes its key away.
func removed(m *natsgo.Msg) bool { return m.Header.Get("KV-Operation") != "" }

// errChanged says that a key has another revision than was expected, or that another
// write of it is on its way. What it is will be read.
var errChanged = errors.New("somebody else has changed the key")

// put writes a key that nobody else writes.
func (b *bucket) put(ctx context.Context, k key, value []byte) (revision uint64, err error) {
	return b.send(ctx, natsgo.NewMsg(b.prefix+k.String()), value)
}

// update writes a place, if its key has that revision still. After any error but
// errChanged it may have been written.
func (b *bucket) update(ctx context.Context, k key, p place, revision uint64) (uint64, error) {
	p.Version = placeVersion
	value, err := json.Marshal(p)
	if err != nil {
		return 0, err
	}
	return b.send(ctx, natsgo.NewMsg(b.prefix+k.String()), value, jetstream.WithExpectLastSequencePerSubject(revision))
}

// anyRevision is whatever a key has.
const anyRevision = ^uint64(0)

// remove takes a key away, if it has that revision still.
func (b *bucket) remove(ctx context.Context, k key, revision uint64) error {
	m := natsgo.NewMsg(b.prefix + k.String())
	m.Header.Set("KV-Operation", "DEL")
	var options []jetstream.PublishOpt
	if revision != anyRevision {
		options = append(options, jetstream.WithExpectLastSequencePerSubject(revision))
	}
	_, err := b.send(ctx, m, nil, options...)
	return err
}

func (b *bucket) send(ctx context.Context, m *natsgo.Msg, value []byte, options ...jetstream.PublishOpt) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, b.request)
	defer cancel()
	m.Data = value
	ack, err := b.js.PublishMsg(ctx, m, append(options, jetstream.WithExpectStream(b.stream))...)
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant):
		return 0, errChanged
	case err != nil:
		return 0, jet.Classify(err)
	}
	return ack.Sequence, nil
}

// compare looks whether the last message that was read of the bucket's log is in it as
// it was.
func (b *bucket) compare(ctx context.Context, sequence uint64, stored time.Time) error {
	stream, err := b.js.Stream(ctx, b.stream)
	if err != nil {
		return err
	}
	m, err := stream.GetMsg(ctx, sequence)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound): // there are newer ones of its key
		return nil
	case err != nil:
		return err
	case !m.Time.Equal(stored):
		return endError{errBucket}
	}
	return nil
}

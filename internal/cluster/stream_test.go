package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stream is what lies between edges and writers, as the server tells of it: the
// log of carriers, and who reads which partition of it up to where.
type stream struct {
	log        jetstream.Stream
	readers    jetstream.KeyValue
	partitions int
}

// partition is what the readers wrote of one.
type partition struct {
	Owner string `json:"owner"` // empty: free; else a name, and what tells its runs apart
	Floor uint64 `json:"floor"`
}

// owner is the name of the writer that reads it.
func (p partition) owner() string {
	name, _, _ := strings.Cut(p.Owner, ".")
	return name
}

// openStream opens the stream, which the daemons have made.
func openStream(t *testing.T, urls []string) *stream {
	t.Helper()
	conn, err := nats.Connect(strings.Join(urls, ","), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{partitions: 64}
	if s.log, err = js.Stream(t.Context(), "ingest"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a writer makes the bucket", func() error {
		s.readers, err = js.KeyValue(t.Context(), "ingest-readers")
		return err
	})
	return s
}

// partition is what is known of one. The error may pass.
func (s *stream) partition(ctx context.Context, n int) (p partition, err error) {
	entry, err := s.readers.Get(ctx, fmt.Sprintf("ingest.partition.%d", n))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return partition{}, nil
	}
	if err == nil {
		err = json.Unmarshal(entry.Value(), &p)
	}
	return p, err
}

// owners are who reads each partition.
func (s *stream) owners(ctx context.Context) ([]string, error) {
	owners := make([]string, s.partitions)
	for n := range owners {
		p, err := s.partition(ctx, n)
		if err != nil {
			return nil, err
		}
		owners[n] = p.owner()
	}
	return owners, nil
}

// shares are the partitions of each reader.
func (s *stream) shares(ctx context.Context) (map[string][]int, error) {
	owners, err := s.owners(ctx)
	shares := make(map[string][]int)
	for n, owner := range owners {
		shares[owner] = append(shares[owner], n)
	}
	return shares, err
}

// lag is nil once all that the stream holds is stored.
func (s *stream) lag(ctx context.Context) error {
	for n := range s.partitions {
		p, err := s.partition(ctx, n)
		if err != nil {
			return err
		}
		last, err := s.log.GetLastMsgForSubject(ctx, fmt.Sprintf("ingest.%d", n))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound): // all of it is stored, and gone
		case err != nil:
			return err
		case last.Sequence > p.Floor:
			return fmt.Errorf("partition %d is stored up to carrier %d, and holds %d", n, p.Floor, last.Sequence)
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/bench/load"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
)

// streamName is that of the stream, by default.
const streamName = "ingest"

// stored is what is in a stream.
type stored struct {
	carriers int64 // with messages
	messages int64
	bytes    int64 // on the disk of one server
}

// openStream opens the stream. The connection is the caller's to close.
func openStream(ctx context.Context, urls []string) (jetstream.Stream, *nats.Conn, error) {
	conn, err := nats.Connect(strings.Join(urls, ","))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn)
	if err == nil {
		var stream jetstream.Stream
		if stream, err = js.Stream(ctx, streamName); err == nil {
			return stream, conn, nil
		}
	}
	conn.Close()
	return nil, nil, err
}

// published is how many messages a stream has had, those that are purged too.
func published(ctx context.Context, urls []string) (int64, error) {
	stream, conn, err := openStream(ctx, urls)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return int64(stream.CachedInfo().State.LastSeq), nil
}

// readStream reads all that is in the stream, and with check sees that each id has
// its messages, each once, in the order in which they were sent.
func readStream(ctx context.Context, urls []string, check bool) (n stored, err error) {
	stream, conn, err := openStream(ctx, urls)
	if err != nil {
		return n, err
	}
	defer conn.Close()
	state := stream.CachedInfo().State
	n.bytes = int64(state.Bytes)
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return n, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return n, err
	}
	defer messages.Stop()
	next := make(map[string]map[int]int) // of each id and connection: the number that must come next
	for range state.Msgs {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return n, err
		}
		c, err := jet.ReadCarrier(m.Data())
		if err != nil {
			return n, err
		}
		if n.messages += int64(c.Messages); c.Messages > 0 {
			n.carriers++
		}
		if check {
			if err := inOrder(c, next); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func inOrder(c *jet.Carrier, next map[string]map[int]int) error {
	for m := (engine.Message{}); c.Next(&m); {
		if m.Kind != engine.Report {
			continue
		}
		conn, number, ok := load.Numbers(m.Data)
		if !ok {
			return errors.New("there is a message that nobody sent: " + string(m.Data))
		}
		of := next[m.ID]
		if of == nil {
			of = make(map[int]int)
			next[strings.Clone(m.ID)] = of
		}
		if number != of[conn] {
			return fmt.Errorf("id %s: after %d messages of connection %d comes %s", m.ID, of[conn], conn, m.Data)
		}
		of[conn]++
	}
	return nil
}

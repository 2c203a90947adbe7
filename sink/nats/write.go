package nats

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// Write publishes the batches, those of a partition as one carrier where the server
// takes it, and returns when all are stored. It knows nothing of what is stored
// already, so it writes again what was written before, and finds no conflict: who
// reads does.
func (s *Sink) Write(ctx context.Context, batches []engine.Batch) ([]engine.Result, error) {
	if err := sink.CheckAll(batches); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !s.conn.IsConnected() {
		return nil, s.explain(ctx, nats.ErrDisconnected)
	}
	if err := s.check(ctx, checkEvery); err != nil {
		return nil, err
	}
	c := s.carriers.Get().(*carriers)
	defer s.recycle(c)
	c.spread(batches)
	if err := c.encode(s.flow.id, s.limit()); err != nil {
		return nil, err
	}
	f := flight{sink: s, carriers: c, ctx: ctx}
	err := f.publish()
	s.figures.add(&f.figures)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	s.trouble.Store(nil)
	results := make([]engine.Result, len(batches))
	for i := range results {
		results[i] = engine.Result{Rows: -1, LastSeq: -1}
	}
	return results, nil
}

// largest is the most that a carrier has, whatever is allowed: JetStream does not
// read a file with 32 MiB in one message.
const largest = 31 << 20

// limit is how large a carrier may be, and who says so.
type limit struct {
	bytes int
	of    string
}

// limit is that of now: servers have their own, and may be restarted with another.
func (s *Sink) limit() limit {
	l := limit{largest, "JetStream"}
	if n := s.conn.MaxPayload(); n < int64(l.bytes) {
		l = limit{int(n), "max_payload of the NATS server"}
	}
	if n := s.stream.Load().MaxMessage; n > 0 && n < l.bytes {
		l = limit{n, "max_msg_size of the stream"}
	}
	return l
}

// recycle keeps the memory of c for the next Write, and nothing of the messages.
func (s *Sink) recycle(c *carriers) {
	c.reset()
	if cap(c.buffer) <= largest {
		s.carriers.Put(c)
	}
}

package nats

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
)

// Sink publishes batches to one stream of JetStream. It is made by [Open].
type Sink struct {
	config Config
	conn   *nats.Conn
	js     jetstream.JetStream
	log    hclog.Logger

	flow     flow
	subjects []string  // of the partitions
	carriers sync.Pool // *carriers, between two Writes
	trouble  trouble
	figures  sums

	stream   atomic.Pointer[jet.Stream]
	checking sync.Mutex
	checked  time.Time // when the stream was last looked at
}

var _ engine.Sink = (*Sink)(nil)

// Open connects, and makes the stream where it is missing. The error is blocked
// ([engine.IsBlocked]) where an operator must act: where somebody else is expected,
// or the stream that is there would lose messages, or has other partitions.
func Open(ctx context.Context, c Config, log hclog.Logger) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = hclog.NewNullLogger()
	}
	s := &Sink{config: c, log: log}
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("nats %s: %w", c.Hosts(), err)
	}
	return s, nil
}

func (s *Sink) open(ctx context.Context) (err error) {
	if s.conn, err = s.config.Dial(ctx, "ingestd sink "+s.config.Stream, s.log); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.conn.Close()
		}
	}()
	s.trouble.watch(s.conn)
	s.js, err = jetstream.New(s.conn,
		jetstream.WithPublishAsyncTimeout(s.config.AckTimeout), jetstream.WithPublishAsyncMaxPending(2*jet.MaxPartitions))
	if err != nil {
		return err
	}
	stream, differs, err := jet.EnsureStream(ctx, s.js, jet.StreamConfig{
		Name:       s.config.Stream,
		Subject:    s.config.Subject,
		Partitions: s.config.Partitions,
		Replicas:   s.config.Replicas,
		Storage:    storages[s.config.Storage],
		MaxBytes:   int64(s.config.MaxBytes),
	})
	switch told := s.trouble.Load(); {
	case err != nil && told != nil: // a request that is not allowed gets no answer
		return engine.Blocked(*told)
	case err != nil:
		return err
	}
	s.log.Info("an ack means here that the stream has the message: unless its servers have sync_interval: always, a power cut can take what they acked in the last two minutes",
		"stream", s.config.Stream, "replicas", stream.CachedInfo().Config.Replicas)
	for _, what := range differs {
		s.log.Warn("the stream is not as it is configured, and is left as it is", "stream", s.config.Stream, "attribute", what)
	}
	s.stream.Store(stream)
	s.checked = time.Now()
	s.flow = newFlow(s.config.Partitions)
	for p := range s.config.Partitions {
		s.subjects = append(s.subjects, jet.Subject(s.config.Subject, p))
	}
	s.carriers.New = func() any { return &carriers{parts: make([]part, s.config.Partitions)} }
	return nil
}

// checkEvery is how often the stream is looked at: whether it is still one that
// loses nothing.
const checkEvery = 10 * time.Second

// check looks at the stream, unless that was done a short time ago. It returns no
// more than what an operator must mend; what passes will be found by publishing.
func (s *Sink) check(ctx context.Context, ago time.Duration) error {
	if !s.checking.TryLock() { // another Write does
		return nil
	}
	defer s.checking.Unlock()
	if time.Since(s.checked) < ago {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.AckTimeout)
	defer cancel()
	stream, err := s.stream.Load().Check(ctx)
	switch {
	case err == nil:
		s.checked = time.Now()
		s.stream.Store(stream)
	case engine.IsBlocked(err):
		return err
	}
	return nil
}

// Close ends the connection.
func (s *Sink) Close() error {
	s.conn.Close()
	return nil
}

// String says where the sink writes.
func (s *Sink) String() string { return "nats " + s.config.Hosts() + " stream " + s.config.Stream }

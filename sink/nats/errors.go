package nats

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
)

// trouble is what the server has said beside its answers: that we may not connect,
// or not publish. A publish that it does not allow gets no answer. It is nil once a
// Write has succeeded.
type trouble struct{ atomic.Pointer[error] }

// watch listens, before others who do.
func (t *trouble) watch(conn *nats.Conn) {
	next := conn.ErrorHandler()
	conn.SetErrorHandler(func(conn *nats.Conn, sub *nats.Subscription, err error) {
		if engine.IsBlocked(jet.Classify(err)) {
			t.Store(&err)
		}
		next(conn, sub, err)
	})
	back := conn.ReconnectHandler()
	conn.SetReconnectHandler(func(conn *nats.Conn) {
		t.Store(nil)
		back(conn)
	})
}

// explain says what an error of a Write means, and marks what an operator must
// mend. All else passes.
func (s *Sink) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil || engine.IsBlocked(err) {
		return err
	}
	told := s.trouble.Load()
	var api *jetstream.APIError
	switch {
	case isDisconnected(err):
		if told != nil {
			return engine.Blocked(fmt.Errorf("not connected to %s: %w", s.config.Hosts(), *told))
		}
		return fmt.Errorf("not connected to %s", s.config.Hosts())

	case errors.Is(err, jetstream.ErrAsyncPublishTimeout):
		if told != nil {
			return engine.Blocked(*told)
		}
		return fmt.Errorf("not stored within ack_timeout, %v: the stream may be without a leader", s.config.AckTimeout)

	case errors.Is(err, jetstream.ErrNoStreamResponse):
		if err := s.check(ctx, 0); err != nil { // is it gone?
			return err
		}
		return fmt.Errorf("no server answers for the stream %s: it may be without a leader", s.config.Stream)

	case errors.As(err, &api) && api.ErrorCode == tooLarge:
		if err := s.check(ctx, 0); err != nil { // for its new max_msg_size
			return err
		}
		return err

	case errors.As(err, &api) && api.ErrorCode == storeFailed && isFull(api):
		return fmt.Errorf("the stream %s is full: it takes nothing until what is in it was read: %w", s.config.Stream, err)
	}
	return jet.Classify(err)
}

func isDisconnected(err error) bool {
	for _, e := range []error{nats.ErrDisconnected, nats.ErrReconnectBufExceeded, nats.ErrConnectionClosed, nats.ErrConnectionReconnecting} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// The codes that JetStream gives its errors.
const (
	tooLarge    jetstream.ErrorCode = 10054
	storeFailed jetstream.ErrorCode = 10077
)

// isFull tells whether a limit of the stream was reached, by the only thing that
// tells it from a full disk.
func isFull(err *jetstream.APIError) bool {
	return err.Description == "maximum bytes exceeded" || err.Description == "maximum messages exceeded"
}

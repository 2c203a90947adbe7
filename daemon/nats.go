package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/metrics"
	sinknats "github.com/ingestd/ingestd/sink/nats"
	"github.com/ingestd/ingestd/transport/nats"
)

// Both ends of a stream of NATS: an edge writes it, which is a daemon with such a
// sink, and a writer daemon reads it, by such a transport.

// readNATS opens a transport that reads a stream.
func readNATS(ctx context.Context, c nats.Config, h Host) (*nats.Reader, error) {
	c.Logger = h.Logger
	r, err := nats.Open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("nats %s: %w", c.Hosts(), err)
	}
	return r, nil
}

// reads tells whether transports of type T read a stream of NATS.
func reads[T Transport]() bool {
	var t T
	_, is := any(t).(metrics.NATSStats)
	return is
}

// checkLeases refuses a spool together with a transport that reads a stream. What a
// spool hands on has no lease any more: it would be written after another daemon had
// taken its partition.
func (l *loader) checkLeases() {
	for _, t := range l.cfg.transports {
		if t.reads && l.cfg.Delivery.Spool {
			l.top.ReportOption(&engine.OptionError{Option: "delivery.spool", Problem: fmt.Sprintf(
				"must be false with %s: what is not stored yet is in the stream already, and what is in a spool "+
					"could be stored after another daemon has taken over", t.path(),
			)})
		}
	}
}

// checkLoop refuses a sink that fills the stream that a transport of the same daemon
// reads: each message would go round for ever.
func (l *loader) checkLoop() {
	to, ok := l.cfg.sink.config.(*sinknats.Config)
	if !ok {
		return
	}
	for _, t := range l.cfg.transports {
		from, ok := t.config.(*nats.Config)
		if ok && from.Stream == to.Stream && from.SharesServer(to.Connection) {
			l.top.ReportOption(&engine.OptionError{Option: "sink.nats.stream", Problem: fmt.Sprintf(
				"must be another one than %s reads: each message would come back for ever", t.path(),
			)})
		}
	}
}

// connect opens what the daemon would connect to, and closes it again.
func (c *config) connect(ctx context.Context, tell func(format string, args ...any)) error {
	sink, err := c.sink.open(ctx, c.sink.config, hclog.NewNullLogger())
	if err == nil {
		tell("The sink can be written: %s", sink)
		err = sink.Close()
	}
	if err != nil {
		return fmt.Errorf("open sink %s: %w", c.sink.name, err)
	}
	for _, t := range c.transports {
		if !t.reads {
			continue
		}
		opened, err := t.listen(ctx, t.config, Host{Name: t.path(), Logger: hclog.NewNullLogger()})
		if err == nil {
			text := "The transport can be read: " + opened.URL()
			if l, is := opened.(interface{ Look(context.Context) error }); is {
				if waits := l.Look(ctx); waits != nil {
					text = fmt.Sprintf("The transport is connected to %s, and would wait: %v", opened.URL(), waits)
				}
			}
			tell("%s", text)
			err = opened.Close()
		}
		if err != nil {
			return fmt.Errorf("open %s: %w", t.path(), err)
		}
	}
	return nil
}

// natsOf is how a transport is that reads a stream.
func natsOf(t metrics.NATSStats) *api.NATS {
	s := t.Stats()
	n := &api.NATS{
		Connected: s.Connected, Partitions: s.Partitions, Owned: s.Owned, Readers: s.Readers, Behind: s.Behind,
		Oldest: api.At(s.OldestUnsettled), State: nats.StateOK,
	}
	if knows, is := t.(interface{ State() (state, detail string) }); is {
		n.State, n.Detail = knows.State()
	}
	return n
}

// natsText tells how reading is.
func natsText(n *api.NATS) string {
	if n.State != nats.StateOK {
		return n.Detail
	}
	return fmt.Sprintf("%d of %s, %s, %s behind", n.Owned, count(n.Partitions, "partition"), count(n.Readers, "reader"), people(n.Behind, "carrier"))
}

// connected tells whether a sink that writes a stream is connected; nil: it is no such
// sink, or not open yet.
func connected(s Sink) *bool {
	var inner engine.Sink = s
	if late, is := s.(*lateSink); is {
		inner = late.Unwrap()
	}
	publishes, is := inner.(metrics.NATSSinkStats)
	if !is {
		return nil
	}
	now := publishes.Stats().Connected
	return &now
}

// away tells whether the sink has lost its connection.
func (l *look) away() bool { return l.connected != nil && !*l.connected }

// errAway is what keeps a sink that is away from storing, before anything was tried.
var errAway = errors.New("it is not connected")

// longBehind is how old the oldest carrier may be before that is told.
const longBehind = time.Minute

// behind says what is wrong with reading streams; empty: nothing.
func (l *look) behind() (condition, sentence string) {
	for _, t := range l.transports {
		n := t.NATS
		if n == nil {
			continue
		}
		late := l.now.Sub(n.Oldest.Time)
		switch {
		case !n.Connected:
			return "failing", fmt.Sprintf("NATS is out of reach of %s, so nothing is read. What was read is stored.", t.Name)
		case n.State != nats.StateOK:
			return n.State, fmt.Sprintf("Not all is read by %s: %s.", t.Name, n.Detail)
		case !n.Oldest.IsZero() && late >= longBehind:
			condition = "waiting"
			sentence = fmt.Sprintf("%s for %s, the oldest for %s.", wait(n.Behind, "carrier"), t.Name, about(late))
		}
	}
	return condition, sentence
}

// maxPartition is the most that a partition takes of the memory of who reads it: see
// [nats.Config].
const maxPartition = 3 * engine.MiB

// memoryOfReaders explains it for the transports that read streams.
func (c *config) memoryOfReaders(line func(format string, args ...any)) {
	for _, t := range c.transports {
		if t.reads {
			stream, _ := hclx.Get[string](t.config, "stream")
			line("# Each partition of %s that %s reads: %s at the most. One daemon alone reads all.\n", stream, t.path(), human(maxPartition))
		}
	}
}

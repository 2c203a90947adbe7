package engine

import (
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/internal/seldom"
)

// refusedPace is the least time between two lines about messages that are refused:
// a client may send a million of them.
const refusedPace = 10 * time.Second

// refusedLine is what the log is told of a refused message.
type refusedLine struct {
	id, client string
	seq        int64
	kind       Kind
	err        error
}

// refusedLines are the refused messages that the log has not been told of.
type refusedLines struct{ seldom.Count[refusedLine] }

// add counts a message that is refused for good. It is told at once where it is the
// first for a while, by the clock otherwise.
func (r *refusedLines) add(e *Engine, m *Message, err error) {
	if e.log.IsTrace() {
		e.log.Trace("message refused", "id", hclog.Quote(m.ID), "seq", m.Seq,
			"client", hclog.Quote(m.Client), "kind", m.Kind, "error", err)
	}
	r.Add(refusedLine{m.ID, m.Client, m.Seq, m.Kind, err})
	e.clock.wakeBy(r.tell(e.log, &e.clock, e.clock.now()))
}

// tell logs what is due by now, and tells when something is due next.
func (r *refusedLines) tell(log hclog.Logger, c *clock, now int64) int64 {
	n, newest := r.Due(c.start.Add(time.Duration(now)), refusedPace)
	newest.warn(log, n)
	if at, is := r.Next(refusedPace); is {
		return int64(at.Sub(c.start))
	}
	return never
}

func (r *refusedLine) warn(log hclog.Logger, count uint64) {
	if count > 0 {
		log.Warn("messages are refused", "count", count, "id", hclog.Quote(r.id), "seq", r.seq,
			"client", hclog.Quote(r.client), "kind", r.kind, "error", r.err)
	}
}

// tellRest logs what has not been told, at the end.
func (r *refusedLines) tellRest(log hclog.Logger) {
	n, newest := r.Rest()
	newest.warn(log, n)
}

package transport

import (
	"time"

	"github.com/ingestd/ingestd/engine"
)

// disconnect flushes the streams of a client that is gone, and ends those that no
// other holds: at once, or after the grace.
func (w *WebSocket) disconnect(c *conn, streams map[string]*stream) {
	now := time.Now().UTC()
	m := engine.Message{Client: c.name, Received: now, Time: now, Remote: c.remote, Sender: c.pass.sender, Data: nullData}
	for _, s := range streams {
		gen, last := uint64(0), false
		if s.hold != nil {
			if w.config.OnDisconnect == DisconnectDone {
				gen, last = w.holds.leave(s.hold)
			} else {
				w.holds.drop(s.hold)
			}
		}
		if last && w.config.DisconnectGrace == 0 {
			w.endStream(s.hold, gen, m)
			continue
		}
		if s.outstanding > 0 {
			m.Kind, m.Op, m.ID = engine.Flush, opFlush, s.id
			_ = w.router.Route(w.ctx, m, nil) // fails only in a drain, which flushes all
		}
		if last {
			early, full := w.graces.add(leaving{s.hold, gen, now.Add(w.config.DisconnectGrace)})
			if full {
				w.endStream(early.hold, early.gen, m)
			}
		}
	}
}

// endStream marks a stream done, unless somebody holds it again or a drain has
// begun.
func (w *WebSocket) endStream(x *hold, gen uint64, m engine.Message) {
	w.holds.end(x, gen, func(id string) {
		if w.ctx.Err() != nil {
			return
		}
		m.Kind, m.Op, m.ID = engine.Disconnect, "", id
		_ = w.router.Route(w.ctx, m, nil) // fails only in a drain, which ends nothing
	})
}

// endGraces marks done what has waited long enough.
func (w *WebSocket) endGraces(now time.Time) {
	for {
		l, ok := w.graces.due(now)
		if !ok {
			return
		}
		utc := now.UTC()
		w.endStream(l.hold, l.gen, engine.Message{Received: utc, Time: utc, Data: nullData})
	}
}

// forget drops the holds of a connection that ends in a drain: it ends nothing.
func (w *WebSocket) forget(streams map[string]*stream) {
	for _, s := range streams {
		if s.hold != nil {
			w.holds.drop(s.hold)
		}
	}
}

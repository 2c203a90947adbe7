package transport

import (
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"
)

// Update puts into effect what can change while w is served: the fields of
// [ServerConfig] and [LimitsConfig] with a tag "live". Others are left as they are. The files of
// tokens and certificates are read again. Connections whose token is no longer
// valid are closed with status 1008; the others go on. After an error nothing has
// changed.
func (w *WebSocket) Update(c WebSocketConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if err := w.gate.update(c.ServerConfig); err != nil {
		return err
	}
	w.limits.Store(&c.LimitsConfig)
	w.expel()
	return nil
}

// expel closes the connections that would not be let in now.
func (w *WebSocket) expel() {
	w.mu.Lock()
	if w.draining {
		w.mu.Unlock()
		return
	}
	conns := make([]*conn, 0, len(w.conns))
	for c := range w.conns {
		conns = append(conns, c)
	}
	w.group.Add(1)
	w.mu.Unlock()
	defer w.group.Done()
	now := time.Now()
	for _, c := range conns {
		w.expelOne(c, now)
	}
}

func (w *WebSocket) expelOne(c *conn, now time.Time) {
	if reason := w.gate.revoked(c.pass, now); reason != "" {
		w.group.Go(func() { c.expel(reason) })
	}
}

// expel ends the connection of a client that may not be here any longer.
func (c *conn) expel(reason string) {
	if log := c.ws.log; log.IsDebug() {
		log.Debug("client cut: it would not be let in now", "remote", c.remote, "client", hclog.Quote(c.name),
			"sender", hclog.Quote(c.pass.sender), "reason", reason)
	}
	c.dismiss(reason)
}

// dismiss closes the connection of a client that breaks the rules. What it has sent
// is stored; nothing more is routed, and nothing more is answered.
func (c *conn) dismiss(reason string) {
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return
	}
	c.vanish()
	c.mu.Unlock()
	c.socket.finish(goodbye)
	_ = c.conn.Close(websocket.StatusPolicyViolation, reason)
}

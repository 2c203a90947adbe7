package transport

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/hashicorp/go-hclog"
)

// pinger is what the clock knows of a connection. Only the clock uses it.
type pinger struct {
	next  int64  // when to ping, Unix nanoseconds; 0: not yet planned
	sent  int64  // when it was pinged and has not been heard since; 0: it has
	reads uint64 // how many of the socket had ended then

	message uint64 // that was being waited for when it last looked
	since   int64  // when it first was, Unix nanoseconds
}

// runClock does what is due at a time, for all connections: one goroutine, where
// one for each connection and a timer for each stream would do nothing most of
// the time.
func (w *WebSocket) runClock(stop <-chan struct{}) {
	t := time.NewTicker(w.tick())
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-t.C:
			w.endGraces(now)
			w.tellAll(now)
			w.watchAll(now)
		}
	}
}

// tick is fine enough for the shortest of the times that the clock watches.
func (w *WebSocket) tick() time.Duration {
	d := time.Second
	for _, of := range []time.Duration{w.config.PingInterval, w.config.PingTimeout, w.config.FrameTimeout, w.config.DisconnectGrace} {
		if of > 0 {
			d = min(d, of/4)
		}
	}
	return min(max(d, 5*time.Millisecond), 250*time.Millisecond)
}

func (w *WebSocket) watchAll(now time.Time) {
	timeout := w.limits.Load().FrameTimeout
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		if timeout > 0 {
			w.cutUnfinished(c, now.UnixNano(), timeout)
		}
		if w.config.PingInterval > 0 {
			w.pingOne(c, now.UnixNano())
		}
	}
}

// cutUnfinished closes c if a message of it has begun and does not end. While the
// server does not read, that means nothing.
func (w *WebSocket) cutUnfinished(c *conn, now int64, timeout time.Duration) {
	p := &c.ping
	reading := c.socket.reads.Load()%2 == 1 // before the next: what it waits for is told first
	switch m := c.socket.partial.Load(); {
	case m != p.message:
		p.message, p.since = m, now
	case m != 0 && reading && now-p.since >= int64(timeout):
		p.since = math.MaxInt64 // once is enough
		w.stats.unfinished.Add(1)
		w.log.Debug("client cut: its message does not end", "remote", c.remote, "client", hclog.Quote(c.name))
		w.group.Go(func() { c.dismiss(fmt.Sprintf("the message took longer than frame_timeout, %v", timeout)) })
	}
}

// pingOne pings c if it is time, and cuts it if it was pinged and is silent.
// While the server does not read, because it has a frame in hand, silence means
// nothing: the client's answer may be in the socket. While it does not get rid of
// what it writes, the write timeout rules.
func (w *WebSocket) pingOne(c *conn, now int64) {
	p := &c.ping
	reads := c.socket.reads.Load()
	switch {
	case p.next == 0:
		p.next = now + int64(w.config.PingInterval)
	case reads%2 == 0:
		p.sent = 0
	case c.socket.sending.Load():
		p.sent = 0
		return
	case p.sent != 0 && reads/2 != p.reads:
		p.sent = 0
	case p.sent != 0 && now-p.sent >= int64(w.config.PingTimeout):
		w.stats.silent.Add(1)
		w.log.Debug("client cut: it answered no ping", "remote", c.remote, "client", hclog.Quote(c.name))
		p.sent = 0
		c.socket.cut()
		return
	}
	if now < p.next || p.sent != 0 {
		return
	}
	p.next = now + int64(w.config.PingInterval)
	p.sent, p.reads = now, reads/2
	w.group.Go(func() {
		// Whether it is answered, the clock sees by what is heard.
		ctx, cancel := context.WithTimeout(context.Background(), w.config.PingTimeout)
		defer cancel()
		_ = c.conn.Ping(ctx)
	})
}

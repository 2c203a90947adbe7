package transport

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
)

var _ http.Handler = (*WebSocket)(nil)

// ServeHTTP upgrades a request to a websocket and serves it. It returns once the
// connection has a goroutine of its own, which frees what the HTTP server holds
// for it. It looks at no path, so that a host program can mount it where it
// likes; before Serve is called, and once a drain has begun, it answers 503.
func (w *WebSocket) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if !w.enter() {
		w.turnedAway(reasonUnavailable)
		w.refuse(rw, r, http.StatusServiceUnavailable, "the server is not taking connections now")
		return
	}
	defer w.group.Done()
	p, no := w.gate.enter(r)
	if no != nil {
		w.stats.refused.Add(1)
		w.logRefused(r, no.remote, no.status, no.cause())
		no.write(rw)
		return
	}
	entered := false
	defer func() {
		if !entered {
			p.leave()
		}
	}()
	name, err := clientName(r.URL.RawQuery)
	if err != nil {
		w.refuse(rw, r, http.StatusBadRequest, err.Error())
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		rw.Header().Set("Connection", "Upgrade")
		rw.Header().Set("Upgrade", "websocket")
		w.refuse(rw, r, http.StatusUpgradeRequired,
			"this is a websocket endpoint: connect to it with a websocket client, at "+wsScheme(r)+"://"+r.Host+r.URL.Path)
		return
	}
	h := &hijacker{ResponseWriter: rw, socket: &socket{writeTimeout: w.config.WriteTimeout}}
	limits := w.limits.Load()
	c, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:         []string{subprotocol},
		CompressionMode:      limits.compression(),
		CompressionThreshold: math.MaxInt, // no answer is worth 1.2 MB for a moment
		InsecureSkipVerify:   true,        // the gate has looked at the origin, more closely
		OnPingReceived:       h.socket.ping,
	})
	if err != nil {
		w.stats.refused.Add(1)
		w.logRefused(r, p.remote, h.status, err.Error())
		return
	}
	c.SetReadLimit(-1) // frameBuffer.read has the limit, and can say what it is
	entered = true
	h.socket.reading.compressed = limits.Compression && rw.Header().Get("Sec-WebSocket-Extensions") != ""
	w.add(&conn{
		ws:     w,
		conn:   c,
		socket: h.socket,
		pass:   p,
		ids:    p.ids,
		remote: p.remote,
		name:   name,
		table:  newTable(w.holds, limits.MaxStreams),
	})
}

// enter counts a request in, unless none is served now.
func (w *WebSocket) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.serving || w.draining {
		return false
	}
	w.group.Add(1)
	return true
}

func (w *WebSocket) refuse(rw http.ResponseWriter, r *http.Request, status int, text string) {
	w.stats.refused.Add(1)
	w.logRefused(r, r.RemoteAddr, status, text)
	if status == http.StatusServiceUnavailable {
		rw.Header().Set("Retry-After", "1")
	}
	http.Error(rw, text, status)
}

// clientName reads ?client=NAME.
func clientName(query string) (string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", errors.New("the query is malformed") // the error quotes it, and there may be a token in it
	}
	names, given := values["client"]
	switch {
	case !given:
		return "", nil
	case len(names) > 1:
		return "", errors.New("client is given twice")
	case names[0] == "":
		return "", errors.New("client is empty: leave it out, or give it a name")
	case len(names[0]) > engine.MaxClientLen:
		return "", fmt.Errorf("client must have at most %d bytes", engine.MaxClientLen)
	case !utf8.ValidString(names[0]):
		return "", errors.New("client must be UTF-8")
	}
	return strings.Clone(names[0]), nil
}

// add starts a connection, in a drain only to close it.
func (w *WebSocket) add(c *conn) {
	c.room.L = &c.mu
	c.sender = &sender{}
	c.sender.conn.Store(c)
	c.logOpened()
	w.mu.Lock()
	w.conns[c] = struct{}{}
	draining := w.draining
	w.mu.Unlock()
	w.stats.accepted.Add(1)
	w.group.Go(c.run)
	if draining {
		c.drain()
	}
	w.expelOne(c, time.Now()) // the rules may have changed since it was let in
}

func wsScheme(r *http.Request) string {
	if r.TLS != nil {
		return "wss"
	}
	return "ws"
}

func (w *WebSocket) remove(c *conn) {
	w.mu.Lock()
	delete(w.conns, c)
	w.stats.frames.Add(c.received.Load())
	w.stats.messages.Add(c.taken.Load())
	w.mu.Unlock()
	c.pass.leave()
}

package transport

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"
)

// What the log is told of clients. Whatever a client chooses is quoted: it is one
// line, and cannot look like another. At level debug there is a line for each
// connection and for each error answer, none for a message that is stored.

func (c *conn) logOpened() {
	if log := c.ws.log; log.IsDebug() {
		log.Debug("connection opened", "remote", c.remote, "client", hclog.Quote(c.name))
	}
}

// logClosed tells how a connection ended: by the server, with code, or else as
// the error of its last read has it.
func (c *conn) logClosed(code websocket.StatusCode, reason string, err error, drained bool) {
	log := c.ws.log
	if !log.IsDebug() {
		return
	}
	by := "server"
	var closed websocket.CloseError
	switch {
	case code != 0:
	case drained:
		code, reason = websocket.StatusGoingAway, shuttingDown
	case errors.As(err, &closed):
		by, code, reason = "client", closed.Code, closed.Reason
	default:
		by, reason = "network", "no close frame"
		if err != nil {
			reason += ": " + err.Error()
		}
	}
	log.Debug("connection closed", "remote", c.remote, "client", hclog.Quote(c.name),
		"by", by, "code", int(code), "reason", hclog.Quote(reason), "messages", c.taken.Load())
}

// logFailure tells of an error answer. f may be a view into the frame.
func (c *conn) logFailure(f failure) {
	if log := c.ws.log; log.IsDebug() {
		log.Debug("error answer", "remote", c.remote, "client", hclog.Quote(c.name), "code", f.code,
			"error", hclog.Quote(strings.Clone(f.text)), "id", hclog.Quote(strings.Clone(f.id.id)), "seq", f.seq)
	}
}

// The query is never logged: there may be a token in it.
func (w *WebSocket) logRefused(r *http.Request, remote string, status int, reason string) {
	if w.log.IsDebug() {
		w.log.Debug("handshake refused", "remote", remote, "path", hclog.Quote(r.URL.Path),
			"status", status, "reason", hclog.Quote(reason))
	}
}

// The reasons for which senders are turned away, of which an operator hears
// whatever the log level is: they could be served if there were more room.
var awayReasons = [...]string{codeTooManyStreams, codeOverloaded, reasonUnavailable}

const reasonUnavailable = codeUnavailable // 503

// awayPace is the least time between two warnings of one reason.
const awayPace = time.Minute

// away counts the senders that are turned away for one reason since the log was
// told.
type away struct {
	count atomic.Uint64
	told  atomic.Int64 // when the log was told, Unix nanoseconds; 0: never
}

// due gives what the log is to be told now; 0 is nothing.
func (a *away) due(now time.Time) uint64 {
	told := a.told.Load()
	if a.count.Load() == 0 || told != 0 && now.UnixNano()-told < int64(awayPace) ||
		!a.told.CompareAndSwap(told, now.UnixNano()) {
		return 0
	}
	return a.count.Swap(0)
}

// warner tells the log of senders that are turned away.
type warner struct {
	to   hclog.Logger
	away [len(awayReasons)]away
}

// turnedAway counts an answer by which a sender is turned away; other reasons are
// nothing to it.
func (w *warner) turnedAway(reason string) {
	for i, known := range awayReasons {
		if known == reason {
			w.away[i].count.Add(1)
			w.warnAway(i, time.Now())
		}
	}
}

func (w *warner) warnAway(i int, now time.Time) {
	if n := w.away[i].due(now); n > 0 {
		w.to.Warn("senders are turned away", "reason", awayReasons[i], "count", n)
	}
}

// warnAllAway is called now and then: it tells what has been counted since a
// warning.
func (w *warner) warnAllAway(now time.Time) {
	for i := range w.away {
		w.warnAway(i, now)
	}
}

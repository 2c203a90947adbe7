package transport

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/internal/seldom"
)

// What the log is told of clients. Whatever a client chooses is quoted: it is one
// line, and cannot look like another. At level debug there is a line for each
// connection, at trace one for each error answer too, and none for a message that is
// stored.

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

// logFailure tells of an error answer. f may be a view into what was received.
func logFailure(log hclog.Logger, remote, client string, f *failure) {
	if log.IsTrace() {
		log.Trace("error answer", "remote", remote, "client", hclog.Quote(client), "code", f.code,
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

// The least times between two lines of one kind.
const (
	awayPace  = time.Minute
	faultPace = 10 * time.Second
)

// fault is a message that was answered with an error because of what it is.
type fault struct {
	remote, client, code, text, id string
	seq                            int64
}

// warner tells the log of messages that are not accepted.
type warner struct {
	to     hclog.Logger
	away   [len(awayReasons)]seldom.Count[struct{}]
	faults seldom.Count[fault]
}

// notAccepted counts the error answer to a message that was not accepted. f may be a
// view into what was received.
func (w *warner) notAccepted(remote, client string, f *failure) {
	if w.turnedAway(f.code) {
		return
	}
	w.faults.Add(fault{remote, client, f.code, strings.Clone(f.text), strings.Clone(f.id.id), f.seq})
	w.tellFaults(time.Now())
}

// turnedAway counts an answer by which a sender is turned away. It tells whether it
// is one: other reasons are nothing to it.
func (w *warner) turnedAway(reason string) bool {
	for i, known := range awayReasons {
		if known == reason {
			w.away[i].Add(struct{}{})
			w.warnAway(i, time.Now())
			return true
		}
	}
	return false
}

func (w *warner) warnAway(i int, now time.Time) {
	if n, _ := w.away[i].Due(now, awayPace); n > 0 {
		w.to.Warn("senders are turned away", "reason", awayReasons[i], "count", n)
	}
}

func (w *warner) tellFaults(now time.Time) {
	if n, f := w.faults.Due(now, faultPace); n > 0 {
		w.to.Info("messages are answered with errors", "count", n, "remote", f.remote, "client", hclog.Quote(f.client),
			"code", f.code, "error", hclog.Quote(f.text), "id", hclog.Quote(f.id), "seq", f.seq)
	}
}

// tellAll is called now and then: it tells what has been counted since a line.
func (w *warner) tellAll(now time.Time) {
	for i := range w.away {
		w.warnAway(i, now)
	}
	w.tellFaults(now)
}

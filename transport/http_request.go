package transport

import (
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"
)

var _ http.Handler = (*HTTP)(nil)

// ServeHTTP takes the messages of a request and answers it once they are stored, or
// spooled where that is asked for. It looks at no path, so that a host program can
// mount it where it likes; before Serve is called, and once a drain has begun, it
// answers 503. The deadlines of the connection are its own while it runs: to store may
// take longer than a host program's server would wait.
func (h *HTTP) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if !h.enter() {
		h.turnedAway(reasonUnavailable)
		h.refuse(rw, r, draining())
		return
	}
	defer h.group.Done()
	o, no := h.serve(rw, r)
	switch {
	case no != nil:
		h.refuse(rw, r, no)
	case o != nil:
		h.reply(rw, o)
	}
}

// serve does what the request asks for: it gives the answer, or why there is none,
// or neither, where it has been answered or nobody is there to be told.
func (h *HTTP) serve(rw http.ResponseWriter, r *http.Request) (*outcome, *refusal) {
	defer h.settling.Done()
	h.stats.requests.Add(1)
	// Until there is a body that has deadlines of its own: what is left of one that
	// is refused is read, too.
	control := http.NewResponseController(rw)
	_ = control.SetReadDeadline(time.Now().Add(h.config.BodyTimeout))
	_ = control.SetWriteDeadline(time.Time{}) // that of an answer before
	h.tellOrigin(rw.Header(), r)
	if r.Method == http.MethodOptions {
		return nil, h.options(rw, r)
	}
	p, no := h.gate.enter(r)
	if no != nil {
		return nil, no
	}
	defer p.leave()
	if r.Method != http.MethodPost {
		rw.Header().Set("Allow", allowedMethods)
		return nil, &refusal{status: http.StatusMethodNotAllowed, text: "messages are sent with POST"}
	}
	name, err := clientName(r.URL.RawQuery)
	if err != nil {
		return nil, &refusal{status: http.StatusBadRequest, text: err.Error()}
	}
	body, no := h.body(rw, r)
	if no != nil {
		return nil, no
	}
	o := h.take(r.Context(), p, name, body)
	if o == nil {
		h.unknown(rw)
	}
	return o, nil
}

// unknown answers a client that is gone, as far as can be seen: one that has closed
// its sending half alone still reads, and must not take silence for success.
func (h *HTTP) unknown(rw http.ResponseWriter) {
	h.writeBy(rw)
	no := refusal{
		status: http.StatusServiceUnavailable,
		text:   "the connection was closed before it was known what is stored: keep it open, and send again",
	}
	no.write(rw)
}

// draining is how a request is answered that comes before Serve, or too late.
func draining() *refusal {
	return &refusal{
		status: http.StatusServiceUnavailable, text: "the server is not taking messages now", reason: "not serving",
	}
}

// refuse answers a request of which no message was looked at.
func (h *HTTP) refuse(rw http.ResponseWriter, r *http.Request, no *refusal) {
	h.stats.refused.Add(1)
	if h.log.IsDebug() {
		remote := no.remote
		if remote == "" {
			remote = r.RemoteAddr
		}
		// Never the query: there may be a token in it.
		h.log.Debug("request refused", "remote", remote, "method", hclog.Quote(r.Method),
			"path", hclog.Quote(r.URL.Path), "status", no.status, "reason", hclog.Quote(no.cause()))
	}
	h.writeBy(rw)
	switch no.status {
	case http.StatusRequestTimeout, http.StatusRequestEntityTooLarge: // its rest is not waited for
		rw.Header().Set("Connection", "close")
	}
	no.write(rw)
}

// writeBy bounds the time in which the client must have taken its answer.
func (h *HTTP) writeBy(rw http.ResponseWriter) {
	d := h.config.WriteTimeout
	h.mu.Lock()
	if h.draining {
		d = min(d, goodbye)
	}
	h.mu.Unlock()
	_ = http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(d))
}

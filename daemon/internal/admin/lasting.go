package admin

import (
	"context"
	"net/http"
	"time"
)

// lasting is an answer that goes on until its reader goes away, or the server
// closes.
type lasting struct {
	server  context.Context // ends when the server closes
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration // for each send
	gone    <-chan struct{}
	close   func()
}

// last begins one, if there is a place among those of its kind. Where there is none
// it has answered. It is to be closed.
func (s *Server) last(places chan struct{}, w http.ResponseWriter, r *http.Request, kind string, timeout time.Duration) (*lasting, bool) {
	select {
	case places <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "5")
		fail(w, http.StatusServiceUnavailable, "%d read this already, which is the most: close one of them", cap(places))
		return nil, false
	}
	ctx, cancel := context.WithCancel(r.Context())
	unbind := context.AfterFunc(s.ctx, cancel)
	l := &lasting{server: s.ctx, w: w, control: http.NewResponseController(w), timeout: timeout, gone: ctx.Done()}
	// A write that waits for a slow reader ends, too.
	unblock := context.AfterFunc(s.ctx, func() { _ = l.control.SetWriteDeadline(time.Now()) })
	l.close = func() {
		unblock()
		unbind()
		cancel()
		<-places
	}
	_ = l.control.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy passes it on at once
	return l, true
}

// send writes text at once.
func (l *lasting) send(text []byte) error {
	_ = l.control.SetWriteDeadline(time.Now().Add(l.timeout))
	// Looked at now: where it ends later, the deadline of the end comes later, too.
	if err := l.server.Err(); err != nil {
		return err
	}
	if _, err := l.w.Write(text); err != nil {
		return err
	}
	return l.control.Flush()
}

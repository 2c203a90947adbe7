package admin

import (
	"context"
	"net/http"
	"time"
)

// lasting is an answer that goes on until its reader goes away, another token is in
// effect, or the server closes.
type lasting struct {
	until   context.Context // ends with the server, or with the token
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration // for each send
	gone    <-chan struct{}
	close   func()
}

// last begins one, if there is a place among those of its kind. Where there is none
// it has answered. It is to be closed.
func (s *Server) last(places chan struct{}, w http.ResponseWriter, r *http.Request, kind string, timeout time.Duration) (*lasting, bool) {
	rules := s.guard.rules.Load()
	if no := s.guard.enter(r); no != nil { // the token may be another one since
		s.refuse(w, r, no)
		return nil, false
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead { // it asks for no more than this
		return nil, false
	}
	select {
	case places <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "5")
		fail(w, http.StatusServiceUnavailable, "%d read this already, which is the most: close one of them", cap(places))
		return nil, false
	}
	until, end := context.WithCancel(s.ctx)
	outlive := context.AfterFunc(rules.over, end)
	ctx, cancel := context.WithCancel(r.Context())
	unbind := context.AfterFunc(until, cancel)
	l := &lasting{until: until, w: w, control: http.NewResponseController(w), timeout: timeout, gone: ctx.Done()}
	// A write that waits for a slow reader ends, too.
	unblock := context.AfterFunc(until, func() { _ = l.control.SetWriteDeadline(time.Now()) })
	l.close = func() {
		unblock()
		unbind()
		cancel()
		outlive()
		end()
		<-places
	}
	_ = l.control.SetReadDeadline(time.Time{})
	w.Header().Set("X-Accel-Buffering", "no") // a proxy passes it on at once
	return l, true
}

// send writes text at once.
func (l *lasting) send(text []byte) error {
	_ = l.control.SetWriteDeadline(time.Now().Add(l.timeout))
	// Looked at now: where it ends later, the deadline of the end comes later, too.
	if err := l.until.Err(); err != nil {
		return err
	}
	if _, err := l.w.Write(text); err != nil {
		return err
	}
	return l.control.Flush()
}

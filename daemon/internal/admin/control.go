package admin

import (
	"errors"
	"net/http"
	"net/http/pprof"

	"github.com/ingestd/ingestd/daemon/internal/api"
)

func (s *Server) getConfig(d *Daemon, w http.ResponseWriter, _ *http.Request) {
	if d.Config == nil {
		starting(w)
		return
	}
	answer(w, http.StatusOK, d.Config())
}

// reload answers once the configuration was read again.
func (s *Server) reload(d *Daemon, w http.ResponseWriter, r *http.Request) {
	if d.Reload == nil {
		starting(w)
		return
	}
	done, err := d.Reload(r.Context())
	switch {
	case errors.Is(err, ErrDraining):
		fail(w, http.StatusServiceUnavailable, "%v", err)
	case err != nil:
		fail(w, http.StatusUnprocessableEntity, "%v", err)
	default:
		answer(w, http.StatusOK, done)
	}
}

func (s *Server) putLogLevel(d *Daemon, w http.ResponseWriter, r *http.Request) {
	var to api.LogLevel
	if d.SetLogLevel == nil {
		starting(w)
		return
	}
	if !command(w, r, &to) {
		return
	}
	if err := d.SetLogLevel(to.Level); err != nil {
		fail(w, http.StatusUnprocessableEntity, "%v", err)
		return
	}
	answer(w, http.StatusOK, to)
}

// postMessages takes test messages as the HTTP transport does. Which page sends
// them was looked at.
func (s *Server) postMessages(d *Daemon, w http.ResponseWriter, r *http.Request) {
	if d.Messages == nil {
		starting(w)
		return
	}
	r.Header.Del("Origin")
	r.Header.Del("Authorization") // our own token
	d.Messages.ServeHTTP(w, r)
}

// profiles are those of net/http/pprof, but for the command line, in which there
// may be secrets.
func profiles(_ *Daemon, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'") // of their list
	switch r.URL.Path {
	case "/debug/pprof/cmdline":
		http.NotFound(w, r)
	case "/debug/pprof/profile":
		pprof.Profile(w, r)
	case "/debug/pprof/symbol":
		pprof.Symbol(w, r)
	case "/debug/pprof/trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r)
	}
}

package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
)

// describe is the whole status.
func (s *Server) describe(ctx context.Context, d *Daemon) api.Status {
	status := d.Status(ctx)
	status.Now = api.At(time.Now())
	status.Rates, status.Latency = s.history.rates(), s.history.latency()
	return status
}

func (s *Server) status(d *Daemon, w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, s.describe(r.Context(), d))
}

func (s *Server) getHistory(_ *Daemon, w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.history.history())
}

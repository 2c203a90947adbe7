package admin

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
)

const (
	mostBusy     = 100         // streams that are looked for
	shownBusy    = 20          // where nobody says
	busyFresh    = time.Second // a look is good for so long
	busyForgot   = 10 * time.Second
	mostStored   = 100 // messages of a stream
	shownStored  = 20
	storedWithin = 5 * time.Second // how long the sink may take
)

// busiest remembers the last look at the streams. The engine tells what has come
// since the look before: so all share one.
type busiest struct {
	mu    sync.Mutex
	at    time.Time
	found []api.LiveStream
}

// look gives the busiest streams, and where there is room, those that wait and idle
// ones.
func (b *busiest) look(d *Daemon, now time.Time) api.Streams {
	b.mu.Lock()
	defer b.mu.Unlock()
	if passed := now.Sub(b.at); passed >= busyFresh {
		streams := d.Engine.Busiest(mostBusy)
		b.found = make([]api.LiveStream, len(streams))
		for i := range streams {
			b.found[i] = d.liveStream(&streams[i])
			if passed < busyForgot {
				b.found[i].Rate = api.Number(float64(streams[i].Recent) / passed.Seconds())
			}
		}
		b.at = now
	}
	return api.Streams{Streams: b.found}
}

// forgot tells whether the last look is too long ago for a rate.
func (b *busiest) forgot(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Sub(b.at) >= busyForgot
}

// liveStream is s without the secrets that may be in what the sink said.
func (d *Daemon) liveStream(s *engine.Stream) api.LiveStream {
	l := api.LiveStream{
		ID: s.ID, Accepted: s.Accepted, Rate: api.None(), Pending: s.Pending, PendingBytes: s.PendingBytes,
		Since: api.At(s.Since), State: s.State,
	}
	if s.Err != nil {
		l.Error = d.Redact(s.Err.Error())
	}
	return l
}

// getStreams answers with the busiest streams. Where nobody has looked of late it
// looks twice, since rates need two looks.
func (s *Server) getStreams(d *Daemon, w http.ResponseWriter, r *http.Request) {
	n, err := number(r, "n", shownBusy, mostBusy)
	if err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	if d.Engine == nil {
		starting(w)
		return
	}
	if s.busiest.forgot(time.Now()) {
		s.busiest.look(d, time.Now())
		wait := time.NewTimer(busyFresh)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			fail(w, http.StatusServiceUnavailable, "%v", ErrDraining)
			return
		}
	}
	found := s.busiest.look(d, time.Now())
	found.Streams = found.Streams[:min(n, len(found.Streams))]
	answer(w, http.StatusOK, found)
}

// getStream answers with one stream: what the engine knows, and the sink.
func (s *Server) getStream(d *Daemon, w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	n, err := number(r, "messages", shownStored, mostStored)
	switch {
	case err != nil:
		fail(w, http.StatusBadRequest, "%v", err)
		return
	case id == "" || len(id) > engine.MaxIDLen:
		fail(w, http.StatusBadRequest, "id must be given, and have %d bytes at most", engine.MaxIDLen)
		return
	case d.Engine == nil:
		starting(w)
		return
	}
	found := api.Stream{ID: id}
	if live, ok := d.Engine.Stream(id); ok {
		l := d.liveStream(&live)
		found.Live = &l
	}
	ctx, cancel := context.WithTimeout(r.Context(), storedWithin)
	defer cancel()
	if found.Stored, found.Messages, err = d.Stored(ctx, id, n); err != nil {
		found.Unreadable = d.Redact(err.Error())
	}
	if found.Messages == nil {
		found.Messages = []api.StoredMessage{}
	}
	if found.Live == nil && found.Stored == nil && len(found.Messages) == 0 && err == nil {
		fail(w, http.StatusNotFound, "there is no such stream")
		return
	}
	answer(w, http.StatusOK, found)
}

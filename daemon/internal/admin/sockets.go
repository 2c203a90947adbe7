package admin

import (
	"container/list"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/internal/seedbug"
	"github.com/ingestd/ingestd/internal/seldom"
)

// mostSockets is how many connections there may be: all that lasts, and as many
// again. It is less than what the transports leave free of the process's files.
const mostSockets = 2 * (mostEvents + mostTails)

// socketsPace is the least time between two warnings.
const socketsPace = time.Minute

// sockets bounds the connections of the server. Where there are too many, the one
// goes that has waited longest without a request, so whoever only holds them keeps
// nobody out.
type sockets struct {
	log    hclog.Logger
	closed seldom.Count[string]

	mu      sync.Mutex
	open    map[net.Conn]*list.Element // its place in waiting; nil: a request is served
	waiting list.List
}

func newSockets(log hclog.Logger) *sockets {
	return &sockets{log: log, open: make(map[net.Conn]*list.Element)}
}

// changed is the ConnState of the HTTP server. It hears of a connection before the
// next one is accepted, and of a request when its header has come.
func (s *sockets) changed(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	place, known := s.open[conn]
	if place != nil {
		s.waiting.Remove(place)
	}
	switch {
	case state == http.StateNew, state == http.StateIdle && known:
		s.open[conn] = s.waiting.PushBack(conn)
	case state == http.StateActive && known:
		s.open[conn] = nil
	default:
		delete(s.open, conn)
	}
	var last net.Conn
	if len(s.open) > mostSockets && s.waiting.Len() > 0 && !seedbug.Is("admin-sockets-unbounded") {
		last = s.waiting.Remove(s.waiting.Front()).(net.Conn)
		delete(s.open, last)
	}
	s.mu.Unlock()
	if last == nil {
		return
	}
	_ = last.Close() // returns when the file is closed
	s.closed.Add(last.RemoteAddr().String())
	if n, remote := s.closed.Due(time.Now(), socketsPace); n > 0 {
		s.log.Warn("admin has too many connections: those that wait are closed", "count", n, "remote", remote)
	}
}

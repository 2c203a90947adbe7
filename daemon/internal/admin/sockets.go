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
// nobody out. Where no other one waits, since requests are sent that do not end, the
// newest of those goes: what is answered at once is done before it would be.
type sockets struct {
	log    hclog.Logger
	closed seldom.Count[string]

	mu      sync.Mutex
	open    map[net.Conn]spot
	waiting list.List
	serving list.List // a request of theirs has begun
}

// spot is the place of a connection in a list.
type spot struct {
	in *list.List
	at *list.Element
}

func newSockets(log hclog.Logger) *sockets {
	return &sockets{log: log, open: make(map[net.Conn]spot)}
}

// changed is the ConnState of the HTTP server. It hears of a connection before the
// next one is accepted, and of a request when its header has come.
func (s *sockets) changed(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	was, known := s.open[conn]
	if known {
		was.in.Remove(was.at)
	}
	switch {
	case state == http.StateNew, state == http.StateIdle && known:
		s.open[conn] = spot{&s.waiting, s.waiting.PushBack(conn)}
	case state == http.StateActive && known:
		s.open[conn] = spot{&s.serving, s.serving.PushBack(conn)}
	default:
		delete(s.open, conn)
	}
	var last net.Conn
	if len(s.open) > mostSockets && !seedbug.Is("admin-sockets-unbounded") {
		from, at := &s.waiting, s.waiting.Front()
		if at.Value == conn { // the new one alone, which nobody else shall keep out
			from, at = &s.serving, s.serving.Back()
		}
		last = from.Remove(at).(net.Conn)
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

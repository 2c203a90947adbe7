package transport

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// spareFiles is how many files are left for what is no connection that is served:
// half of them for sockets whose request has not come yet, half for the rest of
// the process.
const spareFiles = 256

// sockets keeps the servers of a process below its limit of open files. At that
// limit nothing can be accepted, opened or stored any more, and the server spins.
//
// Sockets wait until a request of theirs is let in, and again once it is done with.
// Where there are too many, the one that has waited longest is closed: a client
// that means it needs one round trip, one that does not keeps its socket for as
// long as it is let. So those that send their requests slowly, or never, or leave
// their answers, keep nobody out.
type sockets struct {
	mu       sync.Mutex
	accepted int // at most maxAccepted
	served   int // at most maxServed; requests that a host program brings count too
	waiting  list.List

	maxAccepted, maxServed int
}

// newSockets makes the bounds of a limit of open files; 0: there is none.
func newSockets(limit int) *sockets {
	if limit <= 0 {
		limit = 1 << 30
	}
	spare := min(spareFiles, limit/2)
	return &sockets{maxAccepted: limit - spare/2, maxServed: limit - spare}
}

// ofProcess are those of this process, since the limit is.
var ofProcess = sync.OnceValue(func() *sockets { return newSockets(openFiles()) })

// enter counts one that is served, if there may be one more.
func (s *sockets) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.served >= s.maxServed {
		return false
	}
	s.served++
	return true
}

func (s *sockets) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served--
}

// add takes in a socket that was accepted. It returns nil where there is no room
// for it, and none that waits.
func (s *sockets) add(conn net.Conn) *accepted {
	c := &accepted{Conn: conn, of: s}
	s.mu.Lock()
	s.accepted++
	full := s.accepted > s.maxAccepted
	var last *accepted
	if full && s.waiting.Len() > 0 {
		last = s.waiting.Remove(s.waiting.Front()).(*accepted)
		last.place = nil
	}
	if !full || last != nil {
		c.place = s.waiting.PushBack(c)
	}
	s.mu.Unlock()
	switch {
	case last != nil:
		_ = last.Close() // returns when the file is closed
	case full:
		_ = c.Close()
		return nil
	}
	return c
}

// wait says that no request of c is served, or that one is.
func (c *accepted) wait(waiting bool) {
	if c == nil {
		return
	}
	s := c.of
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.closed || waiting == (c.place != nil):
	case waiting:
		c.place = s.waiting.PushBack(c)
	default:
		s.waiting.Remove(c.place)
		c.place = nil
	}
}

// accepted is a socket that counts.
type accepted struct {
	net.Conn
	of     *sockets
	place  *list.Element // nil: a request is served, or it is a websocket; of.mu guards it
	closed bool

	verified atomic.Pointer[certs] // that the client's certificate was last held against
}

// Close frees the place of the socket.
func (c *accepted) Close() error {
	err := c.Conn.Close()
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.of.accepted--
		if c.place != nil {
			c.of.waiting.Remove(c.place)
			c.place = nil
		}
	}
	return err
}

// NetConn gives the socket below, as that of tls.Conn does.
func (c *accepted) NetConn() net.Conn { return c.Conn }

// acceptedOf finds the counted socket below conn; nil where there is none.
func acceptedOf(conn net.Conn) *accepted {
	for {
		if c, ok := conn.(*accepted); ok {
			return c
		}
		under, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = under.NetConn()
	}
}

// socketKey is that of the counted socket in a request's context.
type socketKey struct{}

func withSocket(ctx context.Context, conn net.Conn) context.Context {
	if c := acceptedOf(conn); c != nil {
		return context.WithValue(ctx, socketKey{}, c)
	}
	return ctx
}

// socketOf gives the socket of a request, nil where it is not one of ours.
func socketOf(r *http.Request) *accepted {
	c, _ := r.Context().Value(socketKey{}).(*accepted)
	return c
}

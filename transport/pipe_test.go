package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// pipeListener gives connections that need no socket, so that they work in a
// bubble of virtual time.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7001} }

func (l *pipeListener) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, errors.New("connection refused")
	}
}

type pipeServer struct {
	*server
	listener *pipeListener
}

func servePipe(t *testing.T, change func(*WebSocketConfig)) *pipeServer {
	c := testConfig()
	change(&c)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	g, err := newGate(c.ServerConfig)
	if err != nil {
		t.Fatal(err)
	}
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	g.accept(l)
	return &pipeServer{serveThis(t, newWebSocket(c, g)), l}
}

func (s *pipeServer) dial(query string) *client {
	s.t.Helper()
	ctx := context.Background()
	var raw net.Conn
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		var err error
		raw, err = s.listener.dial()
		return raw, err
	}}
	conn, _, err := websocket.Dial(ctx, s.URL()+query, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return &client{s.t, ctx, conn, raw}
}

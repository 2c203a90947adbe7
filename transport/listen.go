package transport

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ingestd/ingestd/internal/liblog"
	"github.com/ingestd/ingestd/internal/listen"
)

// headerTimeout is how long a handshake of TLS, and then the header of a request,
// may take to come.
const headerTimeout = 5 * time.Second

// listen binds the port, where there is to be one.
func (g *gate) listen() error {
	if g.config.Listen == "" {
		return nil
	}
	l, err := listen.On(g.config.Listen)
	if err != nil {
		return err
	}
	g.accept(l)
	return nil
}

// accept makes l the port.
func (g *gate) accept(l net.Listener) {
	g.listener = &listener{l, g.sockets}
	if g.secure {
		g.listener = tls.NewListener(g.listener, &tls.Config{
			MinVersion: tls.VersionTLS12,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return g.rules.Load().certs.config, nil
			},
		})
	}
}

// close frees the port of a server that is never served.
func (g *gate) close() error {
	if g.listener == nil {
		return nil
	}
	return g.listener.Close()
}

// addr is where it listens; nil where it has no port of its own.
func (g *gate) addr() net.Addr {
	if g.listener == nil {
		return nil
	}
	return g.listener.Addr()
}

// url is where clients connect, with the scheme given, or the one of it with TLS.
// Without a port of its own it cannot know, and says so.
func (g *gate) url(scheme string) string {
	if g.listener == nil {
		return "(no port of its own)"
	}
	if g.secure {
		scheme += "s"
	}
	return scheme + "://" + g.listener.Addr().String() + g.path
}

// listener counts the sockets that it accepts.
type listener struct {
	net.Listener
	sockets *sockets
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.sockets.add(conn); c != nil {
			return c, nil
		}
	}
}

// newServer makes the HTTP server of the port, which has h at the path, and elsewhere
// at all others. It has a goroutine for each connection that is not taken over, and
// group counts them.
func (g *gate) newServer(h http.Handler, elsewhere http.HandlerFunc, group *sync.WaitGroup) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != g.path {
			elsewhere(rw, r)
			return
		}
		h.ServeHTTP(rw, r)
	})
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: headerTimeout, // of handshakes too
		// Of a request that is refused, the rest is read, and the answer has to be taken.
		// What is taken over has no deadlines, and HTTP sets its own.
		ReadTimeout:    2 * headerTimeout,
		WriteTimeout:   2 * headerTimeout,
		IdleTimeout:    30 * time.Second,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       liblog.Server(g.log),
		ConnContext:    withSocket,
		ConnState: func(conn net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				group.Add(1)
			case http.StateIdle:
				if c := acceptedOf(conn); c != nil {
					c.wait(true)
				}
			case http.StateClosed, http.StateHijacked:
				group.Done()
			}
		},
	}
}

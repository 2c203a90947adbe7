package daemon

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"
)

// adminServer answers on admin.listen.
type adminServer struct {
	listener net.Listener
	server   http.Server
	status   func() status // set before serve
}

// listenAdmin binds the port.
func listenAdmin(address string, log hclog.Logger) (*adminServer, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	a := &adminServer{listener: l}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", a.healthz)
	mux.HandleFunc("GET /readyz", a.readyz)
	a.server = http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	return a, nil
}

func (a *adminServer) url() string { return "http://" + a.listener.Addr().String() }

// serve answers until close is called.
func (a *adminServer) serve() error {
	if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// closeGrace is how long answers that are being written have at the end.
const closeGrace = time.Second

// close frees the port and ends every connection, after the answers under way.
func (a *adminServer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		return a.server.Close()
	}
	// Where it was never served, the server does not know of its listener.
	if err := a.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// healthz says that the process works.
func (a *adminServer) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("ok\n"))
}

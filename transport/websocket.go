package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// WebSocket takes messages from websocket clients: it is a server. Make it with
// [ListenWebSocket].
type WebSocket struct {
	warner
	config     WebSocketConfig
	log        hclog.Logger
	ops        map[string]*operation
	mapping    *mapping
	restoring  int // the most bytes of a frame that brings back a message; 0: none may
	ackSpooled bool
	holds      *Holds // nil where nothing would ever be ended
	gate       *gate
	server     *http.Server
	limits     atomic.Pointer[LimitsConfig] // others take their place
	stats      counters
	graces     graces
	frames     sync.Pool

	router engine.Router   // set by Serve, before there are connections
	ctx    context.Context // ends when the drain begins

	accept sync.WaitGroup // the goroutine that accepts connections
	group  sync.WaitGroup // those of the connections and of requests

	mu       sync.Mutex
	conns    map[*conn]struct{}
	serving  bool
	draining bool
}

var _ engine.Transport = (*WebSocket)(nil)

// ListenWebSocket validates c and binds its port, where connections wait until
// Serve is called. Call Close instead if it never is. Where c.Listen is empty it
// binds nothing: the host program mounts the WebSocket, which is an
// [http.Handler], on a server of its own.
func ListenWebSocket(c WebSocketConfig) (*WebSocket, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	g, err := openGate(c.ServerConfig)
	if err != nil {
		return nil, err
	}
	return newWebSocket(c, g), nil
}

func newWebSocket(c WebSocketConfig, g *gate) *WebSocket {
	w := &WebSocket{
		warner:     warner{to: g.log},
		config:     c,
		log:        g.log,
		ops:        operations(c.Ops, c.Handlers),
		ackSpooled: c.Ack == AckSpooled,
		holds:      c.Holds,
		gate:       g,
		conns:      make(map[*conn]struct{}),
	}
	w.limits.Store(&c.LimitsConfig)
	w.frames.New = w.newFrameBuffer
	w.mapping = c.Decode.compile(w.ops)
	if c.RestoreToken != "" && w.mapping == nil {
		w.ops[opRestore] = &operation{name: opRestore, kind: kindRestore}
		w.restoring = restoringSize(int(c.MaxMessageSize))
	}
	if w.holds == nil && c.OnDisconnect == DisconnectDone {
		w.holds = NewHolds()
	}
	w.server = g.newServer(w, func(rw http.ResponseWriter, r *http.Request) {
		w.refuse(rw, r, http.StatusNotFound, "nothing is here; websocket clients connect to "+c.Path)
	}, &w.group)
	return w
}

// Addr is where it listens; nil where it has no port of its own.
func (w *WebSocket) Addr() net.Addr { return w.gate.addr() }

// URL is where clients connect. Without a port of its own it cannot know, and says
// so.
func (w *WebSocket) URL() string { return w.gate.url("ws") }

// Close frees the port of a WebSocket that is never served.
func (w *WebSocket) Close() error { return w.gate.close() }

// Serve implements [engine.Transport]. It returns an error if it cannot accept
// connections any longer; those that it has are drained all the same.
func (w *WebSocket) Serve(ctx context.Context, r engine.Router) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.mu.Lock()
	if w.serving || w.draining {
		w.mu.Unlock()
		return errors.New("a WebSocket serves only once")
	}
	w.router, w.ctx, w.serving = r, ctx, true
	w.mu.Unlock()

	stop := make(chan struct{})
	var clock sync.WaitGroup
	clock.Go(func() { w.runClock(stop) })
	clock.Go(func() { w.gate.watch(stop, w.expel) })
	failed := make(chan error, 1)
	if w.gate.listener != nil {
		w.gate.announce()
		w.accept.Go(func() { failed <- w.server.Serve(w.gate.listener) })
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("accept connections: %w", err)
		cancel() // stops the routing
	}
	w.drain()
	close(stop)
	clock.Wait()
	for _, l := range w.graces.all() {
		w.holds.abandon(l.hold, l.gen)
	}
	return err
}

// drain ends the connections, each as soon as its client has been told
// everything, and waits for them.
func (w *WebSocket) drain() {
	w.mu.Lock()
	w.draining = true
	conns := make([]*conn, 0, len(w.conns))
	for c := range w.conns {
		conns = append(conns, c)
	}
	w.mu.Unlock()
	for _, c := range conns {
		c.drain()
	}
	// Shutdown knows nothing of websockets. It waits for connections that have not
	// sent their request; they are not waited for long.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = w.server.Shutdown(ctx)
	w.accept.Wait()
	_ = w.server.Close()
	w.group.Wait()
}

package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// HTTP takes messages in the bodies of POST requests, and answers each when its
// messages are stored: it is a server. Make it with [ListenHTTP].
type HTTP struct {
	warner
	config     HTTPConfig
	log        hclog.Logger
	gate       *gate
	ops        map[string]*operation
	ackSpooled bool
	server     *http.Server // nil: no port of its own
	stats      httpCounters
	bodies     bodies
	unpacker   *unpacker
	decoders   sync.Pool

	router engine.Router   // set by Serve, before there are requests
	ctx    context.Context // ends when the drain begins

	accept   sync.WaitGroup // the goroutine that accepts connections
	group    sync.WaitGroup // those of the connections and of requests
	settling sync.WaitGroup // the requests whose outcome is not known

	mu       sync.Mutex
	serving  bool
	draining bool
}

var _ engine.Transport = (*HTTP)(nil)

// ListenHTTP validates c and binds its port, where connections wait until Serve is
// called. Call Close instead if it never is. Where c.Listen is empty it binds
// nothing: the host program mounts the HTTP, which is an [http.Handler], on a
// server of its own.
func ListenHTTP(c HTTPConfig) (*HTTP, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	g, err := openGate(c.ServerConfig)
	if err != nil {
		return nil, err
	}
	return newHTTP(c, g), nil
}

func newHTTP(c HTTPConfig, g *gate) *HTTP {
	h := &HTTP{
		warner:     warner{to: g.log},
		config:     c,
		log:        g.log,
		gate:       g,
		ops:        operations(c.Ops, nil),
		ackSpooled: c.Ack == AckSpooled,
	}
	if h.config.Holds == nil {
		h.config.Holds = NewHolds() // nobody else has them
	}
	h.bodies.max = int64(c.MaxBodies)
	h.unpacker = newUnpacker(&h.bodies, int(c.MaxBodySize), runtime.GOMAXPROCS(0))
	mapping := c.Decode.compile(h.ops)
	h.decoders.New = func() any { return newDecoder(h.ops).with(mapping) }
	if g.listener == nil {
		return h
	}
	h.server = g.newServer(h, func(rw http.ResponseWriter, r *http.Request) {
		h.refuse(rw, r, &refusal{status: http.StatusNotFound, text: "nothing is here; messages are posted to " + c.Path})
	}, &h.group)
	// What reads the rest of a body that was refused ends by this; a body that is
	// taken has deadlines of its own.
	h.server.ReadTimeout = h.server.ReadHeaderTimeout + c.BodyTimeout
	return h
}

// Addr is where it listens; nil where it has no port of its own.
func (h *HTTP) Addr() net.Addr { return h.gate.addr() }

// URL is where messages are posted. Without a port of its own it cannot know, and
// says so.
func (h *HTTP) URL() string { return h.gate.url("http") }

// Close frees the port of an HTTP that is never served.
func (h *HTTP) Close() error { return h.gate.close() }

// Update takes the settings of c that can change while it is served, which are
// those that HTTPConfig tags as live. An error changes nothing.
func (h *HTTP) Update(c HTTPConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	return h.gate.update(c.ServerConfig)
}

// Serve implements [engine.Transport]. It returns an error if it cannot accept
// connections any longer; the requests that it has are answered all the same.
func (h *HTTP) Serve(ctx context.Context, r engine.Router) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h.mu.Lock()
	if h.serving || h.draining {
		h.mu.Unlock()
		return errors.New("an HTTP serves only once")
	}
	h.router, h.ctx, h.serving = r, ctx, true
	h.mu.Unlock()

	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { h.gate.watch(stop, nil) })
	failed := make(chan error, 1)
	if h.server != nil {
		h.gate.announce()
		h.accept.Go(func() { failed <- h.server.Serve(h.gate.listener) })
	}

	warn := time.NewTicker(faultPace / 4)
	defer warn.Stop()
	var err error
	for err == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case now := <-warn.C:
			h.tellAll(now)
		case err = <-failed:
			err = fmt.Errorf("accept connections: %w", err)
			cancel() // stops the routing
		}
	}
	h.drain()
	close(stop)
	watch.Wait()
	return err
}

// enter counts a request in, unless none is served now.
func (h *HTTP) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.serving || h.draining {
		return false
	}
	h.group.Add(1)
	h.settling.Add(1)
	return true
}

// drain waits until the requests that were accepted are settled and answered, and
// closes the connections. A client has a moment to take its answer, and no more.
func (h *HTTP) drain() {
	h.mu.Lock()
	h.draining = true
	h.mu.Unlock()
	if h.server == nil {
		h.group.Wait()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var shut sync.WaitGroup
	shut.Go(func() { _ = h.server.Shutdown(ctx) })
	h.settling.Wait()
	t := time.AfterFunc(goodbye, cancel)
	defer t.Stop()
	shut.Wait()
	h.accept.Wait()
	_ = h.server.Close()
	h.group.Wait()
}

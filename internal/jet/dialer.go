package jet

import (
	"context"
	"net"
	"sync"
)

// dialer makes the connections. The first one ends with the context.
type dialer struct {
	net.Dialer

	mu    sync.Mutex
	ctx   context.Context // nil once the first connection is there
	stops []func() bool
}

// Dial is called by the library, for each server that it tries.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil {
		return d.Dialer.Dial(network, address)
	}
	conn, err := d.DialContext(d.ctx, network, address)
	if err == nil {
		d.stops = append(d.stops, context.AfterFunc(d.ctx, func() { _ = conn.Close() }))
	}
	return conn, err
}

// opened tells whether the connection that there is now is one that the context has
// not ended, and will not.
func (d *dialer) opened() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ctx = nil
	alive := true
	for _, stop := range d.stops {
		alive = stop()
	}
	d.stops = nil
	return alive
}

package jet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/nats-io/nats.go"
)

// dialer makes the connections. The first one ends with the context.
type dialer struct {
	net.Dialer

	mu    sync.Mutex
	ctx   context.Context // nil once the first connection is there
	stops []func() bool

	failure error // of the last try, before the first connection
}

// Dial is called by the library, for each server that it tries.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil {
		return d.Dialer.Dial(network, address)
	}
	conn, err := d.DialContext(d.ctx, network, address)
	if d.failure = err; err == nil {
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

// explain says more of an error of the first connection than the library does.
func (d *dialer) explain(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case errors.Is(err, nats.ErrNoServers) && d.failure != nil:
		return d.failure
	case errors.Is(err, nats.ErrSecureConnWanted):
		return fmt.Errorf("%w: the server has no TLS: take nats:// and no block tls, or turn it on there", err)
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("%w: look at user and password, token, nkey_file or credentials_file", err)
	}
	return err
}

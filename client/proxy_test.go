package client

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between a client and a server, and does to each connection what
// the test says.
type proxy struct {
	t        *testing.T
	listener net.Listener
	server   string // host and port
	url      string // of the proxy
	fate     func() fate
	group    sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	count int
}

// fate is what becomes of a connection: how many bytes pass in each direction
// before it is cut, in the middle of whatever; or, with deaf and mute, before what
// the client and the server send vanishes. Negative: all pass.
type fate struct {
	up, down   int
	deaf, mute bool
}

func newProxy(t *testing.T, server string, f func() fate) *proxy {
	t.Helper()
	u, err := url.Parse(server)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &proxy{t: t, listener: l, server: u.Host, fate: f, conns: map[net.Conn]struct{}{}}
	u.Host = l.Addr().String()
	p.url = u.String()
	p.group.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.group.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.group.Go(func() { p.serve(client, p.fate()) })
	}
}

func (p *proxy) serve(client net.Conn, f fate) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = struct{}{}, struct{}{}
	p.count++
	p.mu.Unlock()
	cut := sync.OnceFunc(func() {
		for _, c := range []net.Conn{client, server} {
			_ = c.(*net.TCPConn).SetLinger(rand.IntN(2) - 1) // a reset, or an end
			_ = c.Close()
			p.mu.Lock()
			delete(p.conns, c)
			p.mu.Unlock()
		}
	})
	p.group.Go(func() {
		defer cut()
		pass(server, client, f.up)
		if f.deaf {
			_, _ = io.Copy(io.Discard, client) // until it is cut
		}
	})
	defer cut()
	pass(client, server, f.down)
	if f.mute {
		_, _ = io.Copy(io.Discard, server)
	}
}

// pass copies n bytes, or all.
func pass(to io.Writer, from io.Reader, n int) {
	if n >= 0 {
		from = io.LimitReader(from, int64(n))
	}
	if _, err := io.Copy(to, from); err != nil && !errors.Is(err, net.ErrClosed) {
		return // as if it were cut
	}
}

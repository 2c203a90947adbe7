package chaos

import (
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// faults are what a proxy does to what passes through it.
type faults struct {
	latency time.Duration // each piece waits for up to this
	slices  bool          // pieces have 1 to 5 bytes
	stalled bool          // nothing passes until this is over; nothing is lost either
	swallow bool          // what the daemon says is lost, for good
	resets  int           // one piece in so many is cut in its middle, and the connection reset
}

// proxy is a bad network between clients and a daemon.
type proxy struct {
	listener net.Listener
	target   string
	all      sync.WaitGroup

	mu        sync.Mutex
	faults    faults
	changed   chan struct{} // closed, and made anew, with every change of the faults
	links     map[*link]bool
	accepted  int // connections so far
	swallowed int // bytes of what the daemon said
	ghosts    int // connections that the daemon has still, and no client
}

// link is one connection through the proxy.
type link struct {
	client, daemon *net.TCPConn
	ghost          bool // its client is gone, and the daemon does not know; guarded by the proxy's lock
}

// newProxy is a good network until it is told otherwise.
func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, changed: make(chan struct{}), links: make(map[*link]bool)}
	p.all.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.set(faults{})
		p.cut()
		p.all.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		daemon, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		x := &link{client: client.(*net.TCPConn), daemon: daemon.(*net.TCPConn)}
		p.mu.Lock()
		p.links[x] = true
		p.accepted++
		p.mu.Unlock()
		p.all.Go(func() { p.pump(x, x.daemon, x.client, false) })
		p.all.Go(func() { p.pump(x, x.client, x.daemon, true) })
	}
}

// set changes what happens from now on.
func (p *proxy) set(f faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
	close(p.changed)
	p.changed = make(chan struct{})
}

// now are the faults, once nothing is stalled.
func (p *proxy) now() faults {
	for {
		p.mu.Lock()
		f, changed := p.faults, p.changed
		p.mu.Unlock()
		if !f.stalled {
			return f
		}
		<-changed
	}
}

// pump carries what comes from one side to the other.
func (p *proxy) pump(x *link, to, from *net.TCPConn, answers bool) {
	p.carry(x, to, from, answers)
	p.mu.Lock()
	ghost := x.ghost
	p.mu.Unlock()
	if ghost && answers {
		p.haunt(x)
	}
	p.end(x)
}

func (p *proxy) carry(x *link, to, from *net.TCPConn, answers bool) {
	mute := false // after something that was lost, the rest would make no sense
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		f := p.now()
		mute = mute || answers && f.swallow
		if mute {
			p.mu.Lock()
			p.swallowed += n
			p.mu.Unlock()
			continue
		}
		if !p.pass(x, to, buf[:n], f) {
			return
		}
	}
}

// pass hands on what was read, as the faults have it.
func (p *proxy) pass(x *link, to *net.TCPConn, piece []byte, f faults) bool {
	if f.latency > 0 {
		last(rand.N(f.latency))
	}
	if f.resets > 0 && rand.IntN(f.resets) == 0 {
		_, _ = to.Write(piece[:rand.IntN(len(piece))])
		p.end(x)
		return false
	}
	for len(piece) > 0 {
		n := len(piece)
		if f.slices {
			n = min(n, 1+rand.IntN(5))
		}
		if _, err := to.Write(piece[:n]); err != nil {
			return false
		}
		piece = piece[n:]
	}
	return true
}

// end resets both sides of a connection.
func (p *proxy) end(x *link) {
	p.mu.Lock()
	known := p.links[x]
	delete(p.links, x)
	p.mu.Unlock()
	if known {
		reset(x.client)
		reset(x.daemon)
	}
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// cut resets all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	links := slices.Collect(maps.Keys(p.links))
	p.mu.Unlock()
	for _, x := range links {
		p.end(x)
	}
}

// abandon takes every client away without a word to the daemon, which keeps its
// side of the connections, and hears nothing over them.
func (p *proxy) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for x := range p.links {
		delete(p.links, x)
		x.ghost = true
		p.ghosts++
		reset(x.client)
	}
}

// haunt reads from an abandoned connection until the daemon ends it. It is the
// last of its pumps.
func (p *proxy) haunt(x *link) {
	_, _ = io.Copy(io.Discard, x.daemon)
	_ = x.daemon.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ghosts--
}

// count says how many connections there were, and how many are abandoned now.
func (p *proxy) count() (accepted, ghosts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted, p.ghosts
}

// open is how many connections there are.
func (p *proxy) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// lost is how many bytes of what the daemon said were swallowed.
func (p *proxy) lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.swallowed
}

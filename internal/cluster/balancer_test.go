package cluster

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// balancer is one address for several servers: each connection goes to the next
// one that takes it, and ends with it.
type balancer struct {
	listener net.Listener
	targets  []string
	all      sync.WaitGroup

	mu     sync.Mutex
	away   string            // a target that gets no connections
	conns  map[net.Conn]bool // nil: closed
	counts map[string]int    // connections so far, by target
}

// errNobody says that no target is there.
var errNobody = errors.New("nobody is there")

func newBalancer(t *testing.T, targets ...string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{listener: l, targets: targets, conns: make(map[net.Conn]bool), counts: make(map[string]int)}
	b.all.Go(b.accept)
	t.Cleanup(func() {
		_ = l.Close()
		b.close()
		b.all.Wait()
	})
	return b
}

func (b *balancer) address() string { return b.listener.Addr().String() }

func (b *balancer) accept() {
	for next := 0; ; next++ {
		client, err := b.listener.Accept()
		if err != nil {
			return
		}
		var server net.Conn
		b.mu.Lock()
		away := b.away
		b.mu.Unlock()
		err = errNobody
		for i := range b.targets {
			target := b.targets[(next+i)%len(b.targets)]
			if target == away {
				continue
			}
			if server, err = net.Dial("tcp", target); err == nil {
				b.join(client, server, target)
				break
			}
		}
		if err != nil {
			_ = client.Close()
		}
	}
}

// join carries what either side says to the other, until one of them ends.
func (b *balancer) join(client, server net.Conn, target string) {
	b.mu.Lock()
	closed := b.conns == nil
	if !closed {
		b.conns[client], b.conns[server] = true, true
		b.counts[target]++
	}
	b.mu.Unlock()
	end := func() {
		_, _ = client.Close(), server.Close()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.conns, client)
		delete(b.conns, server)
	}
	if closed {
		end()
		return
	}
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		b.all.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			end()
		})
	}
}

// leave ends all connections, so that clients share out the targets anew, all but
// this one; "" is none.
func (b *balancer) leave(target string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = target
	for c := range b.conns {
		_ = c.Close()
	}
}

// close ends all connections, and takes no more.
func (b *balancer) close() {
	b.leave("")
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns { // that have come meanwhile
		_ = c.Close()
	}
	b.conns = nil
}

// count is how many connections a server had.
func (b *balancer) count(target string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[target]
}

package natstest

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Frame is one operation of the protocol of NATS, as it passes a [Proxy].
type Frame struct {
	Op      string // in upper case: "PUB", "HPUB", "MSG", "PING", …
	Subject string // of those that have one
	Raw     []byte // all of it, with its payload
}

// Verdict is what becomes of a frame.
type Verdict int

// The verdicts.
const (
	Pass Verdict = iota
	Drop         // it never arrives
	Cut          // it never arrives, and the connection breaks
	Last         // it arrives, and then the connection breaks
	Hold         // it, and what comes after it in its connection, arrives when Release is called, even if the other end is gone by then
)

// Proxy stands between clients and a server, and looks at what they send.
type Proxy struct {
	URL string

	listener net.Listener
	server   string
	wg       sync.WaitGroup

	mu       sync.Mutex
	toServer judge
	toClient judge
	pairs    map[*pair]bool
	release  chan struct{} // closed by Release
	closed   bool
}

// judge says what becomes of a frame; nil: it passes.
type judge func(Frame) Verdict

func (j judge) of(f Frame) Verdict {
	if j == nil {
		return Pass
	}
	return j(f)
}

// pair are the two sides of a connection.
type pair struct{ client, server net.Conn }

// NewProxy starts a proxy in front of a server. It ends with the test.
func NewProxy(t testing.TB, server string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		URL: "nats://" + l.Addr().String(), listener: l, server: server,
		pairs: make(map[*pair]bool), release: make(chan struct{}),
	}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// ToServer says what becomes of what clients send; nil: all passes.
func (p *Proxy) ToServer(judge func(Frame) Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toServer = judge
}

// ToClient says what becomes of what the server sends; nil: all passes.
func (p *Proxy) ToClient(judge func(Frame) Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toClient = judge
}

// Release lets pass what is held.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.release)
	p.release = make(chan struct{})
}

// Cut breaks all connections, but not the way to the server of what is held.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		_ = c.client.Close()
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	_ = p.listener.Close()
	for c := range p.pairs {
		_ = c.client.Close()
		_ = c.server.Close()
	}
	close(p.release)
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &pair{client, server}
		p.mu.Lock()
		p.pairs[c] = true
		if p.closed {
			_ = client.Close()
			_ = server.Close()
		}
		p.mu.Unlock()
		var both sync.WaitGroup
		both.Go(func() { p.up(client, server) })
		both.Go(func() { p.down(server, client) })
		p.wg.Go(func() {
			both.Wait()
			p.mu.Lock()
			delete(p.pairs, c)
			p.mu.Unlock()
		})
	}
}

// up hands on what the client sends, until one of them is gone.
func (p *Proxy) up(client, server net.Conn) {
	defer func() { _ = server.Close() }()
	defer func() { _ = client.Close() }()
	for r := bufio.NewReader(client); ; {
		f, err := readFrame(r)
		if err != nil {
			return
		}
		p.mu.Lock()
		judge, release := p.toServer, p.release
		p.mu.Unlock()
		verdict := judge.of(f)
		switch verdict {
		case Cut:
			return
		case Drop:
			continue
		case Hold:
			<-release
		}
		if _, err := server.Write(f.Raw); err != nil || verdict == Last {
			return
		}
	}
}

// down hands on what the server sends, until that is gone. A client that is gone
// before does not end it: something of it may be held.
func (p *Proxy) down(server, client net.Conn) {
	defer func() { _ = client.Close() }()
	for r := bufio.NewReader(server); ; {
		f, err := readFrame(r)
		if err != nil {
			return
		}
		p.mu.Lock()
		judge, release := p.toClient, p.release
		p.mu.Unlock()
		verdict := judge.of(f)
		switch verdict {
		case Drop:
			continue
		case Hold:
			<-release
		}
		if verdict != Cut {
			_, _ = client.Write(f.Raw)
		}
		if verdict == Cut || verdict == Last {
			_ = client.Close()
		}
	}
}

// readFrame reads one operation, with its payload.
func readFrame(r *bufio.Reader) (Frame, error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return Frame{}, err
	}
	words := bytes.Fields(line)
	if len(words) == 0 {
		return Frame{Raw: line}, nil
	}
	f := Frame{Op: string(bytes.ToUpper(words[0])), Raw: line}
	switch f.Op {
	case "PUB", "HPUB", "MSG", "HMSG":
		f.Subject = string(words[1])
		size, err := strconv.Atoi(string(words[len(words)-1]))
		if err != nil {
			return Frame{}, err
		}
		at := len(line)
		f.Raw = append(f.Raw, make([]byte, size+2)...)
		_, err = io.ReadFull(r, f.Raw[at:])
		return f, err
	}
	return f, nil
}

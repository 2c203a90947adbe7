package mysql_test

import (
	"bytes"
	"net"
	"sync"
	"testing"

	driver "github.com/go-sql-driver/mysql"
)

// proxy stands between the sink and the server, and meddles with a commit.
type proxy struct {
	t      testing.TB
	server string
	l      net.Listener
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	// commit, where it is not nil, is called with the next COMMIT before it is
	// sent on. After it the connection ends, without an answer; answered tells
	// whether to wait for the answer before that, so that it has happened.
	commit func() (answered bool)
	// holding: a COMMIT is not sent on, and its connection to the server stays.
	holding bool
	held    chan struct{} // receives where one is held
}

// hold keeps the COMMITs that come from now on, and lets the server believe that
// their connections live.
func (p *proxy) hold() { p.setHolding(true) }

// pass sends on what comes from now on.
func (p *proxy) pass() { p.setHolding(false) }

func (p *proxy) setHolding(holding bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holding = holding
}

// newProxy makes a proxy in front of the server of dsn, and the DSN that leads
// through it.
func newProxy(t testing.TB, dsn string) (*proxy, string) {
	t.Helper()
	cfg, err := driver.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, server: cfg.Addr, l: l, conns: make(map[net.Conn]bool), held: make(chan struct{}, 16)}
	p.wg.Go(p.serve)
	t.Cleanup(p.close)
	cfg.Addr = l.Addr().String()
	return p, cfg.FormatDSN()
}

// meddle arms the proxy.
func (p *proxy) meddle(commit func() (answered bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commit = commit
}

func (p *proxy) serve() {
	for {
		client, err := p.l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		quiet := make(chan struct{}) // closed: nothing goes back any more
		answer := make(chan struct{}, 1)
		p.wg.Go(func() { p.back(client, server, quiet, answer) })
		p.wg.Go(func() { p.forth(client, server, quiet, answer) })
	}
}

func (p *proxy) forth(client, server net.Conn, quiet chan struct{}, answer chan struct{}) {
	held := false
	defer func() {
		if !held {
			_ = server.Close()
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.Contains(buf[:n], []byte("\x03COMMIT")) {
			p.mu.Lock()
			commit := p.commit
			p.commit = nil
			held = p.holding
			p.mu.Unlock()
			if held {
				p.held <- struct{}{}
				continue
			}
			if commit != nil {
				close(quiet)
				_, _ = server.Write(buf[:n])
				if commit() {
					<-answer
				}
				_ = client.Close()
				return
			}
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) back(client, server net.Conn, quiet, answer chan struct{}) {
	defer func() { _ = client.Close() }()
	defer close(answer)
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-quiet:
			return
		default:
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) close() {
	_ = p.l.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/transport/transporttest"
)

// dialWith connects with a header, and gives the status of the answer; no client
// where it is not taken.
func (s *server) dialWith(header http.Header) (*client, int) {
	s.t.Helper()
	conn, resp, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{HTTPHeader: header})
	if err == nil {
		s.t.Cleanup(func() { _ = conn.CloseNow() })
		return &client{s.t, s.ctx, conn, nil}, http.StatusSwitchingProtocols
	}
	if resp == nil {
		s.t.Fatal(err)
	}
	return nil, resp.StatusCode
}

// X2: at the limit the next one is refused, with when to come back, and takes the
// place of one that leaves.
func TestMaxConnections(t *testing.T) {
	for name, change := range map[string]func(*WebSocketConfig){
		"the setting":             func(c *WebSocketConfig) { c.MaxConnections = 3 },
		"the limit of open files": func(c *WebSocketConfig) { c.sockets = newSockets(6) },
		"the lesser of both":      func(c *WebSocketConfig) { c.MaxConnections, c.sockets = 1000, newSockets(6) },
	} {
		t.Run(name, func(t *testing.T) {
			log := &logged{}
			s := serve(t, func(c *WebSocketConfig) {
				change(c)
				c.Logger = hclog.New(&hclog.LoggerOptions{Output: log})
			})
			conns := []*client{s.dial(""), s.dial(""), s.dial("")}
			for range 20 {
				resp, body := s.handshake("/ws")
				if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !resp.Close || !strings.Contains(body, "as many connections") {
					t.Fatalf("%d %v %s", resp.StatusCode, resp.Header, body)
				}
			}
			for i, c := range conns {
				c.send(`{"id":1,"seq":1}`)
				c.expect(`{"op":"ack","id":1,"seq":1}`)
				if i == 0 {
					_ = c.conn.CloseNow()
				}
			}
			s.waitGone(2)
			s.eventually("a place", func() bool { _, status := s.dialWith(nil); return status == 101 })
			if _, status := s.dialWith(nil); status != 503 {
				t.Errorf("the place is taken, and the next is answered %d", status)
			}
			if stats := s.Stats(); stats.Refusals["max_connections"] < 21 || stats.Refused < 21 {
				t.Errorf("%+v", stats)
			}
			if n := strings.Count(log.String(), "clients are refused: reason=max_connections"); n != 1 {
				t.Errorf("the log tells it %d times:\n%s", n, log)
			}
		})
	}
}

// The bound of an update holds for what comes after it.
func TestMaxConnectionsChanges(t *testing.T) {
	s := serve(t, nil)
	s.dial("")
	s.dial("")
	s.waitGone(2) // a client is told of its upgrade before it counts
	c := testConfig()
	c.MaxConnections = 1
	if err := s.Update(c); err != nil {
		t.Fatal(err)
	}
	if _, status := s.dialWith(nil); status != 503 || s.Stats().Connections != 2 {
		t.Errorf("%d; %d connections", status, s.Stats().Connections)
	}
	c.MaxConnections = 3
	if err := s.Update(c); err != nil {
		t.Fatal(err)
	}
	if _, status := s.dialWith(nil); status != 101 {
		t.Error(status)
	}
	c.MaxConnections = -1
	if err := s.Update(c); err == nil {
		t.Error("a mistake is taken")
	}
}

func TestMaxConnectionsPerAddress(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) { c.MaxConnectionsPerAddress = 1 })
	from := func(ip string) (int, *websocket.Conn) {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		conn, resp, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}},
		})
		if err == nil {
			t.Cleanup(func() { _ = conn.CloseNow() })
			return 101, conn
		}
		if resp == nil {
			t.Fatal(err)
		}
		return resp.StatusCode, nil
	}
	first, conn := from("127.0.0.1")
	second, _ := from("127.0.0.1")
	other, _ := from("127.0.0.2")
	if first != 101 || second != 503 || other != 101 {
		t.Error(first, second, other)
	}
	_ = conn.CloseNow()
	s.eventually("a place", func() bool { status, _ := from("127.0.0.1"); return status == 101 })
	if n := s.Stats().Refusals["max_connections_per_address"]; n < 1 {
		t.Errorf("%d are counted", n)
	}
}

// Sockets whose request does not come keep nobody out: past the bound the one that
// has waited longest goes, and there are never more.
func TestHalfOpenSocketsGiveWay(t *testing.T) {
	shared := newSockets(64) // 48 sockets, 32 of them served
	s := serve(t, func(c *WebSocketConfig) { c.sockets = shared })
	kept := s.dial("")
	served := []*client{kept}
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for i := range 500 {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET /ws HTTP/1.1\r\nX") // some are closed already
		open = append(open, conn)
		if i%50 == 49 {
			served = append(served, s.dial("")) // gets in all the same
		}
		shared.mu.Lock()
		accepted := shared.accepted
		shared.mu.Unlock()
		if accepted > shared.maxAccepted+1 { // one more while the oldest is closed
			t.Fatalf("%d sockets", accepted)
		}
	}
	kept.send(`{"id":1,"seq":1}`)
	kept.expect(`{"op":"ack","id":1,"seq":1}`)
	s.waitGone(11)
	for _, c := range served {
		_ = c.conn.CloseNow()
	}
	s.drain()
	s.waitServed()
	for _, c := range open {
		_ = c.Close()
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.accepted != 0 || shared.served != 0 || shared.waiting.Len() != 0 {
		t.Errorf("%d sockets, %d served, %d waiting are left", shared.accepted, shared.served, shared.waiting.Len())
	}
}

// Connections that are kept for another request wait too; one that has a request
// under way does not.
func TestIdleSocketsGiveWay(t *testing.T) {
	shared := newSockets(16) // 12 sockets
	held := make(chan struct{})
	entered := make(chan struct{})
	s := serve(t, func(c *WebSocketConfig) {
		c.sockets = shared
		c.Authenticate = func(r *http.Request) (Identity, error) {
			if r.Header.Get("X-Wait") != "" {
				entered <- struct{}{}
				<-held
			}
			return Identity{}, errors.New("no")
		}
	})
	busy, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	answered := make(chan int)
	go func() {
		resp, _ := s.handshakeOver(busy, "/ws", "X-Wait: 1")
		answered <- resp.StatusCode
	}()
	<-entered
	for range 40 {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if resp, _ := s.handshakeOver(conn, "/ws"); resp.StatusCode != 401 {
			t.Fatal(resp.StatusCode)
		}
	}
	close(held)
	if status := <-answered; status != 401 {
		t.Errorf("the request that was under way is answered %d", status)
	}
}

// Requests that are refused wait too: for a body that never comes, which nobody wants.
func TestRefusedSocketsGiveWay(t *testing.T) {
	shared := newSockets(16) // 12 sockets
	const token = "0123456789abcdef"
	s := serveHTTP(t, func(c *HTTPConfig) {
		c.sockets = shared
		c.BodyTimeout = time.Hour
		c.Auth = &AuthConfig{Tokens: []TokenConfig{{Name: "a", Value: token}}}
	})
	for range 40 {
		c := s.raw()
		c.send(postHead + "Content-Length: 1000\r\n\r\n")
	}
	s.eventually("refusals", func() bool { return s.Stats().Refusals["auth"] >= 12 })
	s.want(s.post("", `{"id":1}`, "Authorization", "Bearer "+token), 200, `{"messages":1,"stored":1}`)
}

// A request to a websocket server that is refused, and whose body never comes, is
// cut.
func TestUnsentBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipe(t, func(*WebSocketConfig) {})
		for _, path := range []string{"/ws", "/other"} {
			raw, err := s.listener.dial()
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			if _, err := fmt.Fprintf(raw, "GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", path); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, raw)
			if d := time.Since(begun); d > 2*headerTimeout+time.Second {
				t.Errorf("%s: cut after %v", path, d)
			}
			_ = raw.Close()
		}
		// One that takes no answers is cut as well; a pipe keeps none.
		raw, err := s.listener.dial()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(raw, "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*headerTimeout + time.Second)
		if b, err := io.ReadAll(raw); err != nil || len(b) > 0 {
			t.Errorf("read %q, %v", b, err)
		}
		_ = raw.Close()
	})
}

// X3: a request whose header does not come within five seconds is cut, however it
// trickles in.
func TestSlowHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipe(t, func(*WebSocketConfig) {})
		var wg sync.WaitGroup
		for i := range 50 {
			raw, err := s.listener.dial()
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				header := "GET /ws HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("x", 100)
				for _, b := range []byte(header[:len(header)-i]) { // some stop early
					if _, err := raw.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			})
			wg.Go(func() {
				begun := time.Now()
				_, _ = io.Copy(io.Discard, raw)
				if d := time.Since(begun); d != 5*time.Second {
					t.Errorf("cut after %v", d)
				}
				_ = raw.Close()
			})
		}
		c := s.dial("")
		c.send(`{"id":1,"seq":1}`)
		c.expect(`{"op":"ack","id":1,"seq":1}`)
		wg.Wait()
	})
}

// X2, with the limit of a real process: it never runs out of files. The process is
// this test's own, which serves with few files until its input ends.
func TestFileLimit(t *testing.T) {
	if os.Getenv("INGEST_TEST_FEW_FILES") != "" {
		serveFewFiles(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFileLimit$", "-test.v=false")
	cmd.Env = append(os.Environ(), "INGEST_TEST_FEW_FILES=1")
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var url string
	if _, err := fmt.Fscanln(out, &url); err != nil {
		t.Fatal(err, log.String())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	address := strings.TrimSuffix(strings.TrimPrefix(url, "ws://"), "/ws")
	half := make([]net.Conn, 0, 400)
	defer func() {
		for _, c := range half {
			_ = c.Close()
		}
	}()
	flood := func() {
		for range cap(half) - len(half) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			half = append(half, conn)
		}
	}
	flood()
	held := 0
	for {
		conn, resp, err := websocket.Dial(ctx, url, nil)
		if err == nil {
			defer func() { _ = conn.CloseNow() }()
			held++
			continue
		}
		if resp == nil {
			t.Fatalf("after %d: %v\n%s", held, err, log.String())
		}
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Fatalf("after %d: %d", held, resp.StatusCode)
		}
		break
	}
	if held != fewFiles-fewFiles/2 {
		t.Errorf("%d connections are held of %d files", held, fewFiles)
	}
	_ = in.Close()
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, log.String())
	}
	if strings.Contains(log.String(), "too many open files") {
		t.Error(log.String())
	}
}

// fewFiles is the limit of that process.
const fewFiles = 200

func serveFewFiles(t *testing.T) {
	limitFiles(t, fewFiles)
	c := testConfig()
	c.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: os.Stderr})
	w, err := ListenWebSocket(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- w.Serve(ctx, transporttest.NewRouter()) }()
	fmt.Fprintln(os.Stdout, w.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestNewSockets(t *testing.T) {
	for limit, want := range map[int][2]int{
		20000: {19872, 19744}, 1024: {896, 768}, 512: {384, 256}, 256: {192, 128}, 64: {48, 32}, 0: {1<<30 - 128, 1<<30 - 256},
	} {
		if s := newSockets(limit); s.maxAccepted != want[0] || s.maxServed != want[1] {
			t.Errorf("of %d files: %d sockets, %d served", limit, s.maxAccepted, s.maxServed)
		}
	}
	if n := openFiles(); n < 100 {
		t.Errorf("%d files may be open", n)
	}
}

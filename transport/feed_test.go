package transport

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // the protocol asks for it
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// feedServer is a feed in the hands of a test: it hands over each connection that
// is made to it.
type feedServer struct {
	*httptest.Server
	mu    sync.Mutex
	conns map[string]chan *feedPeer // by path
}

// feedPeer is the feed's end of a connection.
type feedPeer struct {
	*websocket.Conn
	header http.Header
}

func newFeedServer(t testing.TB) *feedServer {
	s := &feedServer{conns: map[string]chan *feedPeer{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *feedServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"two"}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	c.SetReadLimit(1 << 20)
	s.at(r.URL.Path) <- &feedPeer{c, r.Header}
}

func (s *feedServer) at(path string) chan *feedPeer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[path] == nil {
		s.conns[path] = make(chan *feedPeer, 10_000)
	}
	return s.conns[path]
}

func (s *feedServer) url(path string) engine.Secret {
	return engine.Secret("ws" + strings.TrimPrefix(s.URL, "http") + path)
}

func testFeedConfig(urls ...engine.Secret) WebSocketClientConfig {
	c := DefaultWebSocketClientConfig()
	c.URL, c.Name = urls, "ticker"
	c.RetryMin, c.RetryMax = time.Millisecond, 5*time.Millisecond
	return c
}

func TestFeedConformance(t *testing.T) {
	s := newFeedServer(t)
	cases := 0
	transporttest.Run(t, transporttest.Subject{
		Silent: true,
		New: func(t testing.TB) (engine.Transport, transporttest.Dial) {
			cases++
			path := fmt.Sprint("/", cases)
			w, err := DialWebSocket(testFeedConfig(s.url(path), s.url(path+"?b"), s.url(path+"?c")))
			if err != nil {
				t.Fatal(err)
			}
			return w, func(ctx context.Context) (transporttest.Sender, error) {
				select {
				case c := <-s.at(path):
					return feedEnd{c.Conn}, nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		},
	})
}

// feedEnd is a feed for the kit.
type feedEnd struct{ conn *websocket.Conn }

func (s feedEnd) Send(ctx context.Context, rs ...transporttest.Report) error {
	b, err := lines(rs)
	if err != nil {
		return err
	}
	return s.conn.Write(ctx, websocket.MessageText, b)
}

func (s feedEnd) Receive(ctx context.Context) (transporttest.Answer, error) {
	_, b, err := s.conn.Read(ctx)
	if err == nil {
		err = fmt.Errorf("a feed is told %s", b)
	}
	return transporttest.Answer{}, err
}

func (s feedEnd) Vanish() { _ = s.conn.CloseNow() }

// logBuffer is a log that can be looked at while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// feeds is a WebSocketClient that is being served to a fake router.
type feeds struct {
	*WebSocketClient
	t      *testing.T
	router *transporttest.Router
	ctx    context.Context
	log    *logBuffer
	drain  context.CancelFunc
	served chan error
}

func serveFeeds(t *testing.T, c WebSocketClientConfig) *feeds {
	t.Helper()
	out := &logBuffer{}
	c.Logger = hclog.New(&hclog.LoggerOptions{Output: out, Level: hclog.Trace})
	w, err := DialWebSocket(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	f := &feeds{WebSocketClient: w, t: t, router: transporttest.NewRouter(), ctx: ctx, log: out, served: make(chan error, 1)}
	serveCtx, drain := context.WithCancel(context.Background())
	f.drain = drain
	go func() { f.served <- w.Serve(serveCtx, f.router) }()
	t.Cleanup(func() {
		f.router.Unblock()
		f.router.Release()
		drain()
		f.waitServed()
		cancel()
	})
	return f
}

func (f *feeds) waitServed() {
	f.t.Helper()
	select {
	case err := <-f.served:
		if err != nil {
			f.t.Errorf("Serve: %v", err)
		}
		f.served <- nil
	case <-time.After(patience):
		f.t.Fatal("Serve does not return")
	}
}

func (f *feeds) accept(from <-chan *feedPeer) *feedPeer {
	f.t.Helper()
	select {
	case c := <-from:
		f.t.Cleanup(func() { _ = c.CloseNow() })
		return c
	case <-f.ctx.Done():
		f.t.Fatal("no connection comes")
		return nil
	}
}

func (f *feeds) send(c *feedPeer, frames ...string) {
	f.t.Helper()
	for _, frame := range frames {
		if err := c.Write(f.ctx, websocket.MessageText, []byte(frame)); err != nil {
			f.t.Fatal(err)
		}
	}
}

// ids waits for n messages and gives their ids.
func (f *feeds) ids(n int) string {
	f.t.Helper()
	if err := f.router.Wait(f.ctx, func(s transporttest.State) bool { return len(s.Messages) >= n }); err != nil {
		f.t.Fatalf("have %v; %s", f.router.Messages(), f.log)
	}
	var ids []string
	for _, m := range f.router.Messages() {
		ids = append(ids, m.ID)
	}
	return strings.Join(ids, " ")
}

func (f *feeds) eventually(what string, ok func() bool) {
	f.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-f.ctx.Done():
			f.t.Fatalf("waiting for %s: %+v; %s", what, f.Stats(), f.log)
		}
	}
}

// The frames of public tickers, as they were recorded.
func TestFeedOfTickers(t *testing.T) {
	recorded, err := os.ReadFile("testdata/feeds/ticker.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	s := newFeedServer(t)
	c := testFeedConfig(s.url("/"))
	c.Ops = []string{"trade"}
	c.Decode = &DecodeConfig{
		ID: Paths{"events.0.tickers.0.product_id", "s"}, Op: Paths{"e", "=report"}, Time: Paths{"timestamp", "E"},
		Code: Paths{"t", "=-1"}, Data: Paths{"events.0.tickers.0", "."},
	}
	f := serveFeeds(t, c)
	peer := f.accept(s.at("/"))
	var want []string
	for line := range strings.Lines(string(recorded)) {
		f.send(peer, line)
		want = append(want, strings.TrimSpace(line))
	}
	if ids := f.ids(4); ids != "BTC-USD ETH-USD BTC-USD BNBBTC" {
		t.Errorf("routed are %s", ids)
	}
	host := strings.TrimPrefix(s.URL, "http://")
	ms := f.router.Messages()
	for i, m := range ms {
		if m.Client != "" || m.Seq != 0 || m.Sender != "ticker" || m.Remote != host || m.Received.IsZero() || m.Kind != engine.Report {
			t.Errorf("routed is %+v", m)
		}
		if i < 3 && (!bytes.HasPrefix(m.Data, []byte(`{"type":"ticker","product_id":"`+m.ID+`","price":"`)) || m.Op != "report" || m.Code != -1) {
			t.Errorf("routed is %+v: %s", m, m.Data)
		}
	}
	if at := ms[1].Time.Format(time.RFC3339Nano); at != "2024-05-06T21:33:20.423901Z" {
		t.Errorf("the time is %s", at)
	}
	if m := ms[3]; string(m.Data) != want[5] || m.Op != "trade" || m.Code != 12345 || m.Time.UnixMilli() != 1715031201672 {
		t.Errorf("routed is %+v: %s", m, m.Data)
	}
	f.eventually("what was routed is counted", func() bool { return f.Stats().Messages == 4 })
	// Those without an id are a confirmation and a heartbeat.
	if s := f.Stats(); s.Errors[codeBadMessage] != 2 || s.Frames != 6 || s.Messages != 4 || s.Connected != 1 || s.Connects != 1 || s.Feeds != 1 {
		t.Errorf("%+v", s)
	}
}

// What is configured is sent with the handshake, and after it, at each connection.
func TestFeedHandshake(t *testing.T) {
	s := newFeedServer(t)
	c := testFeedConfig(s.url("/?key=marker"))
	c.Subprotocols = []string{"one", "two"}
	c.Subscribe = Secrets{`{"type":"subscribe"}`, "more marker"}
	c.Headers = []HeaderConfig{{"authorization", "Bearer marker"}, {"X-Key", "marker"}}
	f := serveFeeds(t, c)
	for range 2 {
		peer := f.accept(s.at("/"))
		if a, k := peer.header.Get("Authorization"), peer.header.Get("X-Key"); a != "Bearer marker" || k != "marker" || peer.Subprotocol() != "two" {
			t.Errorf("headers %q, %q, subprotocol %q", a, k, peer.Subprotocol())
		}
		for _, want := range c.Subscribe {
			if typ, b, err := peer.Read(f.ctx); err != nil || typ != websocket.MessageText || string(b) != string(want) {
				t.Errorf("subscribed is %s, %v, %v", b, typ, err)
			}
		}
		f.send(peer, `{"id":1}`)
		_ = peer.Close(websocket.StatusTryAgainLater, "bye")
	}
	f.ids(2)
	f.eventually("two ends", func() bool { return f.Stats().Lost == 2 })
	if log := f.log.String(); strings.Contains(log, "marker") || !strings.Contains(log, "bye") || strings.Contains(f.URL(), "marker") {
		t.Errorf("%s of %s", log, f.URL())
	}
}

// Whatever a feed does, the connection is made again, and the log has no secret.
func TestFeedComesBack(t *testing.T) {
	s := newFeedServer(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		told   string
	}{
		"nobody listens": {nil, "connection refused"},
		"an answer":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "403 Forbidden"},
		"another server": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.URL, http.StatusFound) }, "302 Found"},
		"no more words": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			_ = conn.Close()
		}, "EOF"},
		"another protocol": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusSwitchingProtocols) }, "protocol violation"},
		"frames that break the protocol": {func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err == nil {
				_ = c.CloseNow() // without a word
			}
		}, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			tries, mended := 0, make(chan *feedPeer, 1)
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				tries++
				good := tries > 3
				mu.Unlock()
				if !good {
					c.answer(w, r)
					return
				}
				if conn, err := websocket.Accept(w, r, nil); err == nil {
					mended <- &feedPeer{conn, r.Header}
				}
			})
			url := "ws://" + closed.Addr().String()
			var server *httptest.Server
			if c.answer != nil {
				server = httptest.NewServer(handler)
				defer server.Close()
				url = "ws" + strings.TrimPrefix(server.URL, "http")
			}
			config := testFeedConfig(engine.Secret(url + "/?key=marker"))
			config.Headers = []HeaderConfig{{"X-Key", "marker"}}
			f := serveFeeds(t, config)
			if c.answer == nil {
				f.eventually("failures", func() bool { return f.Stats().Failures > 3 })
			} else {
				peer := f.accept(mended)
				f.send(peer, `{"id":"x"}`)
				f.ids(1)
				if s := f.Stats(); s.Failures+s.Lost != 3 || s.Connected != 1 {
					t.Errorf("%+v", s)
				}
			}
			log := f.log.String()
			if strings.Contains(log, "marker") || !strings.Contains(log, c.told) || strings.Count(log, "[WARN]") != 1 {
				t.Error(log)
			}
			f.drain()
			f.waitServed()
		})
	}
}

// A server that says nothing is given up: in the handshake, and after it.
func TestFeedThatStalls(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	c := testFeedConfig(engine.Secret("ws://" + listener.Addr().String()))
	c.ConnectTimeout = 10 * time.Millisecond
	f := serveFeeds(t, c) // connections wait in the listener
	f.eventually("failures", func() bool { return f.Stats().Failures > 2 })
	c.ConnectTimeout = time.Hour
	f = serveFeeds(t, c)
	conn, err := listener.Accept()
	for err == nil && !bytes.Contains(readSome(conn), []byte("Upgrade")) {
		conn, err = listener.Accept() // those of before
	}
	f.drain()
	f.waitServed() // though nobody answers

	s := newFeedServer(t)
	c = testFeedConfig(s.url("/"))
	c.PingInterval, c.PingTimeout = 5*time.Millisecond, 20*time.Millisecond
	f = serveFeeds(t, c)
	f.accept(s.at("/")) // and it does not read, so it answers no ping
	f.accept(s.at("/"))
	if !strings.Contains(f.log.String(), errSilent.Error()) {
		t.Error(f.log)
	}
}

// A feed that answers pings stays, and so does one that is not read.
func TestFeedThatIsBlocked(t *testing.T) {
	s := newFeedServer(t)
	c := testFeedConfig(s.url("/"))
	c.PingInterval, c.PingTimeout = 5*time.Millisecond, 20*time.Millisecond
	f := serveFeeds(t, c)
	peer := f.accept(s.at("/"))
	peer.CloseRead(f.ctx)
	f.router.Block()
	f.send(peer, `{"id":1}`, `{"id":2}`)
	if err := f.router.Wait(f.ctx, func(s transporttest.State) bool { return s.Blocked == 1 }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.at("/"):
		t.Error("it connects again")
	case <-time.After(200 * time.Millisecond):
	}
	f.router.Unblock()
	if ids := f.ids(2); ids != "1 2" || f.Stats().Lost != 0 {
		t.Errorf("%s, %+v", ids, f.Stats())
	}
}

func readSome(c net.Conn) []byte {
	b := make([]byte, 4096)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	n, _ := c.Read(b)
	return b[:n]
}

// What cannot be taken costs nothing but itself.
func TestFeedOfGarbage(t *testing.T) {
	s := newFeedServer(t)
	c := testFeedConfig(s.url("/"))
	c.MaxMessageSize = 4 * engine.KiB
	f := serveFeeds(t, c)
	peer := f.accept(s.at("/"))
	large := `{"id":"large","data":"` + strings.Repeat("x", 100_000) + `"}`
	fits := `{"id":"fits","data":"` + strings.Repeat("x", 4<<10-len(`{"id":"fits","data":""}`)) + `"}`
	f.send(peer, `{"id":1}`, ``, `nonsense`, `{"id":2,`, `17`, `{"op":"heartbeat"}`, `{"op":"resume","id":1}`, `{"op":"flush"}`, `{"op":"restore","id":1}`, large, fits, fits+" ")
	if err := peer.Write(f.ctx, websocket.MessageBinary, []byte("{\"id\":\"\xff\"}\n{\"id\":3}")); err != nil {
		t.Fatal(err)
	}
	w, err := peer.Writer(f.ctx, websocket.MessageText) // in fragments
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := w.Write([]byte(strings.Repeat("x", 1000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.send(peer, `[{"id":4},{"id":-1},{"id":5}]`, `{"op":"done","id":1}`)
	if ids := f.ids(6); ids != "1 fits 3 4 5 1" {
		t.Errorf("routed are %s", ids)
	}
	if m := f.router.Messages()[5]; m.Kind != engine.Done {
		t.Errorf("%+v", m)
	}
	want := map[string]uint64{codeBadJSON: 3, codeBadMessage: 6, codeUnknownOp: 4, codeRejected: 0, codeConflict: 0}
	if s := f.Stats(); fmt.Sprint(s.Errors) != fmt.Sprint(want) || s.Connects != 1 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
	if log := f.log.String(); strings.Count(log, "messages of the feed are not taken") != 1 || strings.Count(log, "a message is not taken") != 13 {
		t.Error(log)
	}
	// The others are told of with the end of the connection.
	_ = peer.CloseNow()
	f.eventually("the rest", func() bool { return strings.Contains(f.log.String(), " count=12 code=") })
}

// What the router has no room for is waited for, in its order.
func TestFeedWaitsForRoom(t *testing.T) {
	s := newFeedServer(t)
	f := serveFeeds(t, testFeedConfig(s.url("/")))
	var mu sync.Mutex
	refusals := 0
	f.router.Refuse(func(m engine.Message) error {
		mu.Lock()
		defer mu.Unlock()
		switch refusals++; {
		case m.ID == "never":
			return engine.Permanent(errors.New("too long"))
		case refusals%3 == 1:
			return engine.ErrOverloaded
		case refusals%3 == 2:
			return engine.ErrTooManyStreams
		}
		return nil
	})
	peer := f.accept(s.at("/"))
	f.send(peer, `{"id":1} {"id":2}`, `{"id":"never"}`, `{"id":3}`)
	if ids := f.ids(3); ids != "1 2 3" {
		t.Errorf("routed are %s", ids)
	}
	if s := f.Stats(); s.Messages != 3 || s.Errors[codeBadMessage] != 1 {
		t.Errorf("%+v", s)
	}
}

// Nothing is told to the feed of what is refused later; it is counted.
func TestFeedCountsRefused(t *testing.T) {
	s := newFeedServer(t)
	f := serveFeeds(t, testFeedConfig(s.url("/")))
	f.router.Hold()
	f.send(f.accept(s.at("/")), `{"id":1} {"id":1} {"id":1}`)
	f.ids(3)
	f.router.Settle("1", 2, engine.Permanent(errors.New("too long")))
	f.router.Settle("1", 1, engine.Permanent(engine.ErrConflict))
	f.eventually("three", func() bool { s := f.Stats(); return s.Errors[codeRejected] == 2 && s.Errors[codeConflict] == 1 })
}

// A drain closes the connections, and nobody comes back.
func TestFeedDrain(t *testing.T) {
	s := newFeedServer(t)
	f := serveFeeds(t, testFeedConfig(s.url("/a"), s.url("/b")))
	a, b := f.accept(s.at("/a")), f.accept(s.at("/b"))
	f.router.Hold()
	f.send(a, `{"id":1}`)
	f.ids(1)
	f.eventually("two", func() bool { return f.Stats().Connected == 2 })
	f.drain()
	for _, peer := range []*feedPeer{a, b} {
		if _, _, err := peer.Read(f.ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("closed with %v", err)
		}
	}
	select {
	case err := <-f.served:
		f.served <- err
		t.Error("Serve does not wait for what is not settled")
	case <-time.After(50 * time.Millisecond):
	}
	f.router.Release()
	f.waitServed()
	if len(s.at("/a"))+len(s.at("/b")) != 0 || f.Stats().Connected != 0 || f.Stats().Lost != 0 {
		t.Errorf("%+v", f.Stats())
	}
	if err := f.Serve(context.Background(), f.router); err == nil {
		t.Error("it serves twice")
	}
}

// The waits are random, double up to RetryMax, and begin anew after a connection
// that lasted.
func TestFeedBackoff(t *testing.T) {
	c := testFeedConfig("ws://x")
	c.RetryMin, c.RetryMax = 100*time.Millisecond, time.Second
	w, err := DialWebSocket(c)
	if err != nil {
		t.Fatal(err)
	}
	f := w.feeds[0]
	for failed, most := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		most *= time.Millisecond
		f.failed = failed
		longest := time.Duration(0)
		for range 2000 {
			longest = max(longest, f.backoff())
		}
		if longest >= most || longest < most*9/10 {
			t.Errorf("after %d failures up to %v", failed, longest)
		}
	}
	f.failed = 1 << 40
	if f.backoff() >= time.Second {
		t.Error("a long wait")
	}

	s := newFeedServer(t)
	running := serveFeeds(t, testFeedConfig(s.url("/")))
	for range 3 {
		_ = running.accept(s.at("/")).CloseNow()
	}
	running.accept(s.at("/"))
	running.eventually("the fourth", func() bool { return strings.Contains(running.log.String(), "attempts=4") })
	if log := running.log.String(); strings.Count(log, "[WARN]") != 1 {
		t.Error(log)
	}
	c = testFeedConfig(s.url("/lasts"))
	out := &logBuffer{}
	c.Logger = hclog.New(&hclog.LoggerOptions{Output: out})
	if w, err = DialWebSocket(c); err != nil {
		t.Fatal(err)
	}
	w.stable = 0
	ctx, drain := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- w.Serve(ctx, transporttest.NewRouter()) }()
	for range 3 {
		_ = running.accept(s.at("/lasts")).CloseNow()
	}
	running.accept(s.at("/lasts"))
	running.eventually("the fourth", func() bool { return w.Stats().Connects == 4 })
	drain()
	if err := <-served; err != nil || strings.Count(out.String(), "[WARN]") != 3 || strings.Contains(out.String(), "attempts=3") {
		t.Error(out, err)
	}
}

// TLS is checked, and shown where it is asked for; the files are read for each
// connection.
func TestFeedTLS(t *testing.T) {
	ca, others := newAuthority(t), newAuthority(t)
	s := &feedServer{conns: map[string]chan *feedPeer{}}
	s.Server = httptest.NewUnstartedServer(s)
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, "server", time.Now().Add(time.Hour))},
		ClientCAs:    ca.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	url := engine.Secret("wss" + strings.TrimPrefix(s.URL, "https") + "/")

	others.issue(t, "client", time.Now().Add(time.Hour))
	c := testFeedConfig(url)
	c.TLS = &ClientTLSConfig{
		CA: ca.file("ca.pem"), Cert: others.file("client.pem"), Key: others.file("client.key"), ServerName: "localhost",
	}
	f := serveFeeds(t, c)
	f.eventually("failures", func() bool { s := f.Stats(); return s.Failures+s.Lost > 2 })
	if s := f.Stats(); s.Messages > 0 || s.Connects > 0 {
		t.Errorf("%+v", s)
	}
	ca.issue(t, "good", time.Now().Add(time.Hour))
	for _, kind := range []string{".key", ".pem"} {
		if err := os.Rename(ca.file("good"+kind), others.file("client"+kind)); err != nil {
			t.Fatal(err)
		}
	}
	f.send(f.accept(s.at("/")), `{"id":1}`)
	f.ids(1)
	f.drain()
	f.waitServed()

	for name, change := range map[string]func(*ClientTLSConfig){
		"the system's roots":    func(c *ClientTLSConfig) { c.CA = "" },
		"another authority":     func(c *ClientTLSConfig) { c.CA = others.file("ca.pem") },
		"another name":          func(c *ClientTLSConfig) { c.ServerName = "example.com" },
		"without a certificate": func(c *ClientTLSConfig) { c.Cert, c.Key = "", "" },
	} {
		t.Run(name, func(t *testing.T) {
			bad := c
			settings := *c.TLS
			bad.TLS = &settings
			change(bad.TLS)
			f := serveFeeds(t, bad)
			f.eventually("failures", func() bool { return f.Stats().Failures > 1 })
			if f.Stats().Connects > 0 || !strings.Contains(f.log.String(), "certificate") {
				t.Errorf("%+v; %s", f.Stats(), f.log)
			}
		})
	}
	for _, settings := range []ClientTLSConfig{
		{CA: ca.file("none")}, {CA: ca.file("server.key")}, {Cert: ca.file("server.pem"), Key: ca.file("ca.pem")},
	} {
		bad := c
		bad.TLS = &settings
		if _, err := DialWebSocket(bad); err == nil || !strings.Contains(err.Error(), ca.dir) {
			t.Errorf("%+v is taken: %v", settings, err)
		}
	}
}

// A feed that sends without end what is no data is left, as a client would be.
func TestFeedFloods(t *testing.T) {
	for name, flood := range map[string][]byte{
		"pings":           unmaskedFrame(0x89, ""),
		"pongs":           unmaskedFrame(0x8A, ""),
		"empty fragments": unmaskedFrame(0x00, ""),
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // the protocol asks for it
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = conn.Close() }()
				_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
					base64.StdEncoding.EncodeToString(h[:]))
				go func() { _, _ = io.Copy(io.Discard, conn) }()
				_, _ = conn.Write(unmaskedFrame(0x81, `{"id":1}`))
				_, _ = conn.Write(unmaskedFrame(0x01, `{"id"`))
				for many := bytes.Repeat(flood, 1000); ; {
					if _, err := conn.Write(many); err != nil {
						return
					}
				}
			}))
			defer s.Close()
			c := testFeedConfig(engine.Secret("ws" + strings.TrimPrefix(s.URL, "http")))
			f := serveFeeds(t, c)
			f.eventually("it is left", func() bool { return f.Stats().Lost > 1 })
			if log := f.log.String(); !strings.Contains(log, errFlood.Error()) || f.Stats().Messages < 1 {
				t.Errorf("%+v; %s", f.Stats(), log)
			}
			f.drain()
			f.waitServed()
		})
	}
}

func unmaskedFrame(first byte, payload string) []byte {
	return append([]byte{first, byte(len(payload))}, payload...)
}

// Of a proxy nothing is told, for a part of its password may be taken for its host.
func TestFeedErrorsKeepProxiesSecret(t *testing.T) {
	for want, reason := range map[string]error{
		"no such host": &net.DNSError{Err: "no such host", Name: "sesame"},
		"refused":      errors.New("refused"),
	} {
		dial := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.UnixAddr{Name: "sesame"}, Err: reason}
		err := &url.Error{Op: "Get", URL: "https://feed?key=sesame", Err: &net.OpError{Op: "proxyconnect", Net: "tcp", Err: dial}}
		if got := dialError(nil, err).Error(); strings.Contains(got, "sesame") || !strings.Contains(got, want) || !strings.Contains(got, "proxy") {
			t.Errorf("told is %s", got)
		}
	}
}

package transport

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// server is a WebSocket that is being served to a fake router.
type server struct {
	*WebSocket
	t      *testing.T
	router *transporttest.Router
	ctx    context.Context
	drain  context.CancelFunc
	served chan error
}

func testConfig() WebSocketConfig {
	c := DefaultWebSocketConfig()
	c.Listen = "127.0.0.1:0"
	return c
}

func serve(t *testing.T, change func(*WebSocketConfig)) *server {
	t.Helper()
	c := testConfig()
	if change != nil {
		change(&c)
	}
	w, err := ListenWebSocket(c)
	if err != nil {
		t.Fatal(err)
	}
	return serveThis(t, w)
}

func serveThis(t *testing.T, w *WebSocket) *server {
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	s := &server{WebSocket: w, t: t, router: transporttest.NewRouter(), ctx: ctx, served: make(chan error, 1)}
	serveCtx, drain := context.WithCancel(context.Background())
	s.drain = drain
	go func() { s.served <- w.Serve(serveCtx, s.router) }()
	t.Cleanup(func() {
		s.router.Unblock()
		s.router.Release()
		drain()
		s.waitServed()
		cancel()
	})
	return s
}

func (s *server) waitServed() {
	s.t.Helper()
	select {
	case err := <-s.served:
		if err != nil {
			s.t.Errorf("Serve: %v", err)
		}
		s.served <- nil
	case <-time.After(patience):
		s.t.Fatal("Serve does not return")
	}
}

func (s *server) waitFor(what string, ok func(transporttest.State) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if err := s.router.Wait(ctx, ok); err != nil {
		s.t.Fatalf("waiting for %s: %v; have %v", what, err, s.router.Messages())
	}
}

func (s *server) waitMessages(n int) []engine.Message {
	s.t.Helper()
	s.waitFor(fmt.Sprint(n, " messages"), func(st transporttest.State) bool { return len(st.Messages) >= n })
	return s.router.Messages()
}

// client is a real websocket client.
type client struct {
	t    *testing.T
	ctx  context.Context
	conn *websocket.Conn
	raw  net.Conn // below it, where the test made it
}

func (s *server) dial(query string) *client {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, s.URL()+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return &client{s.t, s.ctx, conn, nil}
}

func (c *client) send(frame string) {
	c.t.Helper()
	if err := c.conn.Write(c.ctx, websocket.MessageText, []byte(frame)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) receive() (string, error) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	typ, b, err := c.conn.Read(ctx)
	if err == nil && typ != websocket.MessageText {
		err = fmt.Errorf("a frame of type %v", typ)
	}
	return string(b), err
}

// expect receives one frame for each of want.
func (c *client) expect(want ...string) {
	c.t.Helper()
	for _, w := range want {
		got, err := c.receive()
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", w, err)
		}
		if got != w {
			c.t.Fatalf("received %s\nwant     %s", got, w)
		}
	}
}

// expectError receives an error answer, and compares all of it but its text.
func (c *client) expectError(code string, rest string) {
	c.t.Helper()
	got, err := c.receive()
	if err != nil {
		c.t.Fatalf("waiting for %s: %v", code, err)
	}
	var e struct {
		Op    string `json:"op"`
		Code  string `json:"code"`
		Error string `json:"error"`
		Retry bool   `json:"retry"`
	}
	if err := json.Unmarshal([]byte(got), &e); err != nil {
		c.t.Fatalf("%s: %v", got, err)
	}
	text, _ := json.Marshal(e.Error)
	want := fmt.Sprintf(`{"op":"error","code":%q,"error":%s,%s}`, code, text, rest)
	if e.Error == "" || got != want {
		c.t.Fatalf("received %s\nwant     %s", got, want)
	}
}

// expectClose reads until the connection is closed, with the given status.
func (c *client) expectClose(want websocket.StatusCode) {
	c.t.Helper()
	for {
		if _, err := c.receive(); err != nil {
			if got := websocket.CloseStatus(err); got != want {
				c.t.Fatalf("closed with %v (%v), want %v", got, err, want)
			}
			return
		}
	}
}

// eventually polls for what gives no sign of its own.
func (s *server) eventually(what string, ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			s.t.Fatal("waiting for ", what)
		}
	}
}

func (s *server) waitGone(n int) {
	s.t.Helper()
	s.eventually(fmt.Sprint(n, " connections"), func() bool { return s.Stats().Connections == n })
}

package transport

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
)

type recorder struct {
	header http.Header
	status int
}

func newRecorder() *recorder                     { return &recorder{header: http.Header{}} }
func (r *recorder) Header() http.Header          { return r.header }
func (r *recorder) Write(b []byte) (int, error)  { return len(b), nil }
func (r *recorder) WriteHeader(status int)       { r.status = status }
func (r *recorder) Hijack() (net.Conn, any, any) { panic("not to be taken over") }

func upgradeRequest() *http.Request {
	return &http.Request{
		Method: "GET", URL: &url.URL{Path: "/ws"}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}},
	}
}

func TestHTTP(t *testing.T) {
	s := serve(t, nil)
	base := strings.Replace(s.URL(), "ws://", "http://", 1)
	upgrade := map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	}
	for _, c := range []struct {
		name, url string
		header    map[string]string
		status    int
		text      string
	}{
		{"another path", base + "x", upgrade, 404, "connect to /ws"},
		{"the root", strings.TrimSuffix(base, "/ws"), nil, 404, "connect to /ws"},
		{"no upgrade", base, nil, 426, "websocket client, at ws://"},
		{"no key", base, map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}, 400, ""},
		{"a name of 65 bytes", base + "?client=" + strings.Repeat("x", 65), upgrade, 400, "at most 64 bytes"},
		{"a name that is not UTF-8", base + "?client=%ff", upgrade, 400, "UTF-8"},
		{"an empty name", base + "?client=", upgrade, 400, "empty"},
		{"two names", base + "?client=a&client=b", upgrade, 400, "twice"},
		{"a malformed query", base + "?client=%zz", upgrade, 400, "malformed"},
		{"a foreign origin", base, map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": "https://evil.example",
		}, 403, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.NewRequest("GET", c.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != c.status || !strings.Contains(string(body), c.text) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	if n := s.Stats().Refused; n != 10 {
		t.Errorf("%d requests are counted as refused", n)
	}
}

func TestSubprotocol(t *testing.T) {
	s := serve(t, nil)
	for _, c := range []struct {
		offer []string
		want  string
	}{{nil, ""}, {[]string{"other"}, ""}, {[]string{"other", "ingest.v1"}, "ingest.v1"}} {
		conn, resp, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{
			Subprotocols: c.offer, CompressionMode: websocket.CompressionContextTakeover,
		})
		if err != nil {
			t.Fatal(err)
		}
		if conn.Subprotocol() != c.want || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
			t.Errorf("%q for %q, extensions %q", conn.Subprotocol(), c.offer, resp.Header.Get("Sec-WebSocket-Extensions"))
		}
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}
}

func TestPortTaken(t *testing.T) {
	w, err := ListenWebSocket(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	c := testConfig()
	c.Listen = w.Addr().String()
	if _, err := ListenWebSocket(c); err == nil || !strings.Contains(err.Error(), c.Listen) {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestWithoutAPort(t *testing.T) {
	c := testConfig()
	c.Listen = ""
	w, err := ListenWebSocket(c)
	if err != nil {
		t.Fatal(err)
	}
	if w.Addr() != nil || !strings.Contains(w.URL(), "no port") || w.Close() != nil {
		t.Errorf("it is at %v, %s", w.Addr(), w.URL())
	}
	s := serveThis(t, w)
	host := httptest.NewServer(w)
	defer host.Close()
	s.eventually("Serve", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.serving
	})
	conn, _, err := websocket.Dial(s.ctx, strings.Replace(host.URL, "http:", "ws:", 1)+"/any/path", nil)
	if err != nil {
		t.Fatal(err)
	}
	cl := &client{t, s.ctx, conn, nil}
	cl.send(`{"id":1,"seq":1}`)
	cl.expect(`{"op":"ack","id":1,"seq":1}`)
	s.drain()
	cl.expectClose(websocket.StatusGoingAway)
	s.waitServed()
}

func TestValidate(t *testing.T) {
	c := WebSocketConfig{
		ServerConfig: ServerConfig{Listen: "7001", Path: "ws"}, Ops: []string{"done", "x", "x", ""}, Ack: "never", OnDisconnect: "maybe",
		DisconnectGrace: -1, MaxMessageSize: 1, PingInterval: -1, PingTimeout: 0, WriteTimeout: 0,
		Handlers: map[string]Handler{"report": nil, "x": nil},
	}
	err := c.Validate()
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, e := range many.Unwrap() {
		var o *engine.OptionError
		if !errors.As(e, &o) {
			t.Fatal(e)
		}
		got[o.Option]++
	}
	for option, n := range map[string]int{
		"listen": 1, "path": 1, "ops": 3, "ack": 1, "on_disconnect": 1, "disconnect_grace": 1,
		"max_message_size": 1, "ping_interval": 1, "ping_timeout": 1, "write_timeout": 1, "handlers": 4,
	} {
		if got[option] != n {
			t.Errorf("%d faults of %s, want %d\n%v", got[option], option, n, err)
		}
	}
	if err := DefaultWebSocketConfig().Validate(); err != nil {
		t.Error(err)
	}
	if _, err := ListenWebSocket(c); err == nil {
		t.Error("it listens")
	}
}

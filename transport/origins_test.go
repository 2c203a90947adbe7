package transport

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// handshake sends a request to upgrade with these lines in its header, and gives
// the answer.
func (s *server) handshake(target string, lines ...string) (resp *http.Response, body string) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return s.handshakeOver(conn, target, lines...)
}

func (s *server) handshakeOver(conn net.Conn, target string, lines ...string) (resp *http.Response, body string) {
	s.t.Helper()
	all := []string{
		"GET " + target + " HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}
	hasHost := false
	for _, l := range lines {
		hasHost = hasHost || strings.HasPrefix(l, "Host:")
	}
	if !hasHost {
		all = append(all, "Host: "+s.Addr().String())
	}
	if _, err := io.WriteString(conn, strings.Join(append(all, lines...), "\r\n")+"\r\n\r\n"); err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, resp.ContentLength))
		body = string(b)
	}
	_ = resp.Body.Close()
	return resp, body
}

// X12: only pages of the list may connect, and those of the same host.
func TestOrigins(t *testing.T) {
	listed := []string{"https://app.example.com", "https://*.wild.example", "http://dev.example:5173", "https://port.example:443", "capacitor://localhost"}
	for _, c := range []struct {
		host, origin string
		origins      []string
		ok           bool
	}{
		// Without an origin it is no browser.
		{"ingest.example", "", listed, true},
		{"ingest.example", "", nil, true},

		// The same host.
		{"127.0.0.1:7001", "http://127.0.0.1:7001", nil, true},
		{"localhost:7001", "http://localhost:7001", nil, true},
		{"LOCALHOST:7001", "http://LocalHost:7001", nil, true},
		{"[::1]:7001", "http://[::1]:7001", nil, true},
		{"a.localhost", "http://a.localhost", nil, true},
		{"localhost", "http://localhost:80", nil, true},
		{"localhost:443", "https://localhost", nil, true}, // TLS may end at a proxy
		{"localhost:7001", "http://localhost:7002", nil, false},
		{"localhost:7001", "http://localhost", nil, false},
		{"localhost", "http://localhost:7001", nil, false},
		{"localhost:7001", "http://localhost.evil.example:7001", nil, false},
		{"localhost:7001", "http://evil.example/localhost:7001", nil, false},
		{"localhost:7001", "http://user@localhost:7001", nil, false},
		{"localhost:7001", "http://localhost:7001/", nil, false},
		{"localhost:7001", "http://localhost:7001?x", nil, false},

		// A name that somebody makes lead to this machine.
		{"evil.example:7001", "http://evil.example:7001", nil, false},
		{"evil.example", "http://evil.example", listed, false},
		{"localhost.evil.example", "http://localhost.evil.example", nil, false},

		// The list.
		{"ingest.example", "https://app.example.com", listed, true},
		{"ingest.example", "https://APP.example.COM", listed, true},
		{"ingest.example", "https://app.example.com:443", listed, true},
		{"ingest.example", "https://port.example", listed, true},
		{"ingest.example", "http://dev.example:5173", listed, true},
		{"ingest.example", "capacitor://localhost", listed, true},
		{"ingest.example", "http://app.example.com", listed, false},       // scheme
		{"ingest.example", "https://app.example.com:8443", listed, false}, // port
		{"ingest.example", "http://dev.example", listed, false},
		{"ingest.example", "https://dev.example:5173", listed, false},
		{"ingest.example", "https://evil-app.example.com", listed, false}, // prefix
		{"ingest.example", "https://app.example.com.evil.example", listed, false},
		{"ingest.example", "https://app.example.computer", listed, false},
		{"ingest.example", "https://x.app.example.com", listed, false},
		{"ingest.example", "https://example.com", listed, false},
		{"ingest.example", "https://app.example.com@evil.example", listed, false},
		{"ingest.example", "https://evil.example/https://app.example.com", listed, false},
		{"ingest.example", "https://evil.example#https://app.example.com", listed, false},
		{"ingest.example", "https://app.example.com evil", listed, false},
		{"ingest.example", "https://app.example.com\x00.evil.example", listed, false},
		{"ingest.example", "https://app.example.com.", listed, false},
		{"ingest.example", "null", listed, false},
		{"ingest.example", " ", listed, false},
		{"ingest.example", "https://", listed, false},
		{"ingest.example", "//app.example.com", listed, false},
		{"ingest.example", "app.example.com", listed, false},
		{"ingest.example", "*", listed, false},

		// All below a host, and not the host.
		{"ingest.example", "https://a.wild.example", listed, true},
		{"ingest.example", "https://a.b.wild.example", listed, true},
		{"ingest.example", "https://wild.example", listed, false},
		{"ingest.example", "https://evilwild.example", listed, false},
		{"ingest.example", "https://a.wild.example.evil.example", listed, false},
		{"ingest.example", "http://a.wild.example", listed, false},
		{"ingest.example", "https://a.wild.example:8443", listed, false},
		{"ingest.example", "https://*.wild.example", listed, true}, // no such host can be

		// Every page.
		{"ingest.example", "https://evil.example", []string{"*"}, true},
		{"ingest.example", "null", []string{"*"}, true},
	} {
		t.Run(fmt.Sprintf("%s to %s", c.origin, c.host), func(t *testing.T) {
			if strings.ContainsAny(c.origin, "\x00") { // the server refuses the header itself
				if o, ok := readOrigin(c.origin); ok {
					t.Errorf("it is read as %v", o)
				}
				return
			}
			s := serve(t, func(w *WebSocketConfig) { w.Origins = c.origins })
			lines := []string{"Host: " + c.host}
			if c.origin != "" {
				lines = append(lines, "Origin: "+c.origin)
			}
			want := http.StatusForbidden
			if c.ok {
				want = http.StatusSwitchingProtocols
			}
			resp, body := s.handshake("/ws", lines...)
			if resp.StatusCode != want {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			stats := s.Stats()
			if !c.ok && (!strings.Contains(body, "origin") || stats.Accepted != 0 || stats.Refusals["origin"] != 1) {
				t.Errorf("%s %+v", body, stats)
			}
		})
	}
}

func TestRequireOrigin(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) { c.RequireOrigin = true })
	if resp, body := s.handshake("/ws"); resp.StatusCode != 403 || !strings.Contains(body, "Origin header is required") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, _ := s.handshake("/ws", "Origin: http://"+s.Addr().String()); resp.StatusCode != 101 {
		t.Error(resp.StatusCode)
	}
	if resp, _ := s.handshake("/ws", "Origin: http://"+s.Addr().String(), "Origin: https://evil.example"); resp.StatusCode != 403 {
		t.Errorf("two origins: %d", resp.StatusCode)
	}
}

// Behind a proxy that is trusted the name is the proxy's business.
func TestOriginBehindAProxy(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) { c.TrustedProxies = []string{"127.0.0.1"} })
	if resp, _ := s.handshake("/ws", "Host: app.example.com", "Origin: https://app.example.com"); resp.StatusCode != 101 {
		t.Error(resp.StatusCode)
	}
	if resp, _ := s.handshake("/ws", "Host: app.example.com", "Origin: https://evil.example"); resp.StatusCode != 403 {
		t.Error(resp.StatusCode)
	}
}

// Where the port is one of TLS, a page in clear is not of the same origin.
func TestOriginOfTLS(t *testing.T) {
	ca := newAuthority(t)
	s := serve(t, func(c *WebSocketConfig) { c.TLS = ca.server(t) })
	for origin, ok := range map[string]bool{"https://" + s.Addr().String(): true, "http://" + s.Addr().String(): false} {
		conn, _, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{
			HTTPClient: ca.client(), HTTPHeader: http.Header{"Origin": {origin}},
		})
		if (err == nil) != ok {
			t.Errorf("%s: %v", origin, err)
		}
		if err == nil {
			_ = conn.CloseNow()
		}
	}
}

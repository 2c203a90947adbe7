package transport

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// The tokens of these tests. No other text has "secret" in it.
const (
	plainToken  = "secret-plain-0123456789"
	hashedToken = "secret-hashed-0123456789"
	oldToken    = "secret-old-0123456789"
	fileToken   = "secret-file-0123456789"
	fileHashed  = "secret-filehash-0123456789"
	boundToken  = "secret-bound-0123456789"
	wrongToken  = "secret-wrong-0123456789"
)

func hash(token string) string {
	digest := sha256.Sum256([]byte(token))
	return hex.EncodeToString(digest[:])
}

// tokenFile writes a file of tokens.
func tokenFile(t *testing.T, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokens")
	writeTokens(t, file, lines...)
	return file
}

func writeTokens(t *testing.T, file string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func testAuth(t *testing.T) *AuthConfig {
	return &AuthConfig{
		File: tokenFile(t, "# our devices", "", "from-file "+fileToken+" # the first", "hashed-in-file\tsha256:"+hash(fileHashed),
			"bound "+boundToken+"  sensor-*,17"),
		Tokens: []TokenConfig{
			{Name: "plain", Value: plainToken},
			{Name: "hashed", SHA256: engine.Secret(strings.ToUpper(hash(hashedToken)))},
			{Name: "old", Value: oldToken, Expires: "2020-01-31T00:00:00+02:00"},
		},
	}
}

func asProtocol(token string) string {
	return "Sec-WebSocket-Protocol: ingest.bearer." + base64.RawURLEncoding.EncodeToString([]byte(token)) + ", ingest.v1"
}

// X13: who shows no good token is refused before the upgrade; the others are known
// by the name of theirs.
func TestTokens(t *testing.T) {
	for _, c := range []struct {
		name, target string
		lines        []string
		query        bool
		sender       string // empty: refused
	}{
		{name: "none"},
		{name: "wrong", lines: []string{"Authorization: Bearer " + wrongToken}},
		{name: "empty", lines: []string{"Authorization: Bearer "}},
		{name: "another scheme", lines: []string{"Authorization: Basic " + plainToken}},
		{name: "a part", lines: []string{"Authorization: Bearer " + plainToken[:len(plainToken)-1]}},
		{name: "more", lines: []string{"Authorization: Bearer " + plainToken + "0"}},
		{name: "the hash itself", lines: []string{"Authorization: Bearer " + hash(hashedToken)}},
		{name: "expired", lines: []string{"Authorization: Bearer " + oldToken}},
		{name: "the name", lines: []string{"Authorization: Bearer plain"}},
		{name: "header", lines: []string{"Authorization: Bearer " + plainToken}, sender: "plain"},
		{name: "header in lower case", lines: []string{"authorization: bearer " + plainToken}, sender: "plain"},
		{name: "kept as its hash", lines: []string{"Authorization: Bearer " + hashedToken}, sender: "hashed"},
		{name: "of the file", lines: []string{"Authorization: Bearer " + fileToken}, sender: "from-file"},
		{name: "of the file, as its hash", lines: []string{"Authorization: Bearer " + fileHashed}, sender: "hashed-in-file"},
		{name: "subprotocol", lines: []string{asProtocol(plainToken)}, sender: "plain"},
		{name: "subprotocol in a header of its own", lines: []string{
			"Sec-WebSocket-Protocol: ingest.v1",
			strings.TrimSuffix(asProtocol(plainToken), ", ingest.v1"),
		}, sender: "plain"},
		{name: "wrong subprotocol", lines: []string{asProtocol(wrongToken)}},
		{name: "malformed subprotocol", lines: []string{"Sec-WebSocket-Protocol: ingest.bearer." + plainToken + "=, ingest.v1"}},
		{name: "query where it is off", target: "?token=" + plainToken},
		{name: "query", target: "?token=" + plainToken, query: true, sender: "plain"},
		{name: "query with a name", target: "?client=a&token=" + plainToken, query: true, sender: "plain"},
		{name: "wrong in the query", target: "?token=" + wrongToken, query: true},
		{
			name: "a wrong header beside a good query", target: "?token=" + plainToken, query: true,
			lines: []string{"Authorization: Bearer " + wrongToken},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, func(w *WebSocketConfig) {
				w.Auth = testAuth(t)
				w.Auth.Query = c.query
			})
			resp, body := s.handshake("/ws"+c.target, c.lines...)
			stats := s.Stats()
			if c.sender == "" {
				if resp.StatusCode != 401 || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer") ||
					stats.Accepted != 0 || stats.Refusals["auth"] != 1 {
					t.Errorf("%d %s %v %+v", resp.StatusCode, body, resp.Header, stats)
				}
				return
			}
			if resp.StatusCode != 101 {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			want := ""
			if strings.HasPrefix(c.name, "subprotocol") {
				want = "ingest.v1"
			}
			if got := resp.Header.Values("Sec-WebSocket-Protocol"); strings.Join(got, " ") != want {
				t.Errorf("selected is %q", got)
			}

			options := &websocket.DialOptions{HTTPHeader: http.Header{}}
			for _, l := range c.lines {
				if name, value, _ := strings.Cut(l, ": "); name == "Sec-WebSocket-Protocol" {
					options.Subprotocols = append(options.Subprotocols, strings.Split(value, ", ")...)
				} else {
					options.HTTPHeader.Add(name, value)
				}
			}
			conn, _, err := websocket.Dial(s.ctx, s.URL()+c.target, options)
			if err != nil {
				t.Fatal(err)
			}
			cl := &client{t, s.ctx, conn, nil}
			cl.send(`{"id":1,"seq":1}`)
			cl.expect(`{"op":"ack","id":1,"seq":1}`)
			if m := s.router.Messages()[0]; m.Sender != c.sender {
				t.Errorf("the sender is %q", m.Sender)
			}
			_ = conn.CloseNow()
		})
	}
}

// What the server says and what it logs has no token in it, whatever is sent.
func TestTokensAreKept(t *testing.T) {
	log := &logged{}
	config := testConfig()
	config.Auth = testAuth(t)
	config.Auth.Query = true
	config.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: log})
	w, err := ListenWebSocket(config)
	if err != nil {
		t.Fatal(err)
	}
	s := serveThis(t, w)
	said := ""
	for _, token := range []string{plainToken, wrongToken, oldToken} {
		for _, target := range []string{"/ws", "/wrong", "/ws?client=", "/ws?token=" + token, "/wrong?token=" + token, "/ws?client=%zz&token=" + token, "/ws?token=%zz" + token} {
			for _, lines := range [][]string{
				nil,
				{"Authorization: Bearer " + token},
				{asProtocol(token)},
				{"Authorization: Bearer " + token, "Sec-WebSocket-Version: 12"},
				{"Authorization: Bearer " + token, "Origin: https://evil.example"},
				{"Authorization: Bearer " + token, "Authorization " + token},
				{"Host: a b " + token},
			} {
				resp, body := s.handshake(target, lines...)
				said += fmt.Sprint(resp.Status, resp.Header, body)
			}
		}
	}
	if err := w.Update(config); err != nil {
		t.Error(err)
	}
	s.drain()
	s.waitServed()

	for name, lines := range map[string][]string{
		"three fields": {"a " + plainToken + " x y"}, "no name": {plainToken}, "short": {"a secret"}, "twice": {"a " + plainToken, "b " + plainToken},
		"bad name": {"a/b " + plainToken}, "bad hash": {"a sha256:" + plainToken}, "bad ids": {"a " + plainToken + " secret*x"},
		"of the configuration": {"a " + plainToken}, "none": {"# " + plainToken},
	} {
		c := testConfig()
		c.Auth = &AuthConfig{File: tokenFile(t, append([]string{"good " + fileToken, ""}, lines...)...)}
		switch name {
		case "of the configuration":
			c.Auth.Tokens = []TokenConfig{{Name: "a", Value: plainToken}}
		case "none":
			writeTokens(t, c.Auth.File, lines...)
		}
		_, err := ListenWebSocket(c)
		if err == nil {
			t.Fatalf("%s: it is taken", name)
		}
		if name != "none" && !strings.Contains(err.Error(), c.Auth.File+":") {
			t.Errorf("%s: the error does not say where: %v", name, err)
		}
		said += err.Error()
	}
	c := testConfig()
	c.Auth = &AuthConfig{Tokens: []TokenConfig{
		{Name: "a", Value: "secret"},
		{Name: "b", SHA256: plainToken},
		{Name: "c", Value: plainToken, SHA256: plainToken},
		{Name: "d", Value: plainToken},
		{Name: "e", Value: plainToken},
	}}
	said += fmt.Sprintf("%v %+v", c.Validate(), c.Auth)
	for _, secret := range []string{"secret", base64.RawURLEncoding.EncodeToString([]byte("secret-"))[:8], hash(hashedToken), hash(fileHashed)} {
		for where, text := range map[string]string{"the log": log.String(), "what is said": said} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s shows %q: ...%s", where, secret, text[max(0, i-200):i+len(secret)])
			}
		}
	}
	if !strings.Contains(log.String(), "handshake refused") || !strings.Contains(log.String(), `"the token of old has expired"`) {
		t.Errorf("the log does not say what is refused:\n%s", log)
	}
}

// A # begins a comment where a word begins: a token that holds one is not cut to what
// stands before it, which could be guessed.
func TestTokensWithHash(t *testing.T) {
	ts, err := newTokens(&AuthConfig{}, []byte("a 0123456789abcdef#0123 dev#1,dev#2 # a #comment\r\n#b fedcba9876543210\n #\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := ts.find("0123456789abcdef#0123")
	if len(ts.list) != 1 || got == nil || !got.ids.has("dev#2") || got.ids.has("dev") || ts.find("0123456789abcdef") != nil {
		t.Errorf("%+v", ts.list)
	}
}

// A file that everybody can read is told, where there are tokens in it: once,
// whatever number of servers has it.
func TestExposedTokens(t *testing.T) {
	for line, warned := range map[string]bool{"a " + plainToken: true, "a sha256:" + hash(plainToken): false} {
		log := &logged{}
		c := testConfig()
		c.Auth = &AuthConfig{File: tokenFile(t, line)}
		c.Logger = hclog.New(&hclog.LoggerOptions{Output: log})
		if err := os.Chmod(c.Auth.File, 0o644); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			w, err := ListenWebSocket(c)
			if err != nil {
				t.Fatal(err)
			}
			_ = w.Close()
		}
		want := 0
		if warned {
			want = 1
		}
		if got := strings.Count(log.String(), "can be read by every user"); got != want || warned != strings.Contains(log.String(), "chmod 600 "+c.Auth.File) {
			t.Errorf("%q: warned %d times, not %d\n%s", line, got, want, log)
		}
	}
}

// What a client may not send to is refused, message by message, and nothing of it
// is routed.
func TestForbidden(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) {
		c.Auth = testAuth(t)
		c.Handlers = map[string]Handler{"hello": func(_ context.Context, op Op) error { return op.Reply([]byte(`{"hello":"you"}`)) }}
	})
	conn, _, err := websocket.Dial(s.ctx, s.URL()+"?client=a", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + boundToken}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	c := &client{t, s.ctx, conn, nil}
	for _, id := range []string{`17`, `"17"`, `"sensor-"`, `"sensor-1"`, `"sensor-*"`} {
		c.send(`{"id":` + id + `,"seq":7}`)
		c.expect(`{"op":"ack","id":` + id + `,"seq":7}`)
	}
	for _, id := range []string{`1`, `"117"`, `"170"`, `"sensor"`, `"Sensor-1"`, `"x-sensor-1"`, `"*"`} {
		for _, op := range []string{"report", "done", "flush", "resume", "hello"} {
			c.send(`{"op":"` + op + `","id":` + id + `,"seq":8}`)
			c.expectError(codeForbidden, `"retry":false,"id":`+id+`,"seq":8`)
		}
	}
	c.send(`[{"id":17},{"id":18,"seq":9},{"id":17,"seq":10}]`) // one number, so there is one ack
	c.expectError(codeForbidden, `"retry":false,"id":18,"seq":9,"index":1`)
	c.expect(`{"op":"ack","id":17,"seq":10}`)
	c.send(`{"op":"hello"}`)
	c.expect(`{"hello":"you"}`)
	c.send(`{"op":"flush"}`)
	c.expect(`{"op":"flush"}`)
	for _, m := range s.router.Messages() {
		if m.ID != "17" && !strings.HasPrefix(m.ID, "sensor-") || m.Sender != "bound" {
			t.Errorf("routed: %+v", m)
		}
	}
	if n := s.Stats().Errors[codeForbidden]; n != 36 {
		t.Errorf("%d are counted", n)
	}
}

func TestAuthenticate(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) {
		c.Authenticate = func(r *http.Request) (Identity, error) {
			switch user := r.Header.Get("X-User"); user {
			case "":
				return Identity{}, errors.New("secret reason")
			case "late":
				return Identity{Name: user, Expires: time.Now()}, nil
			case "panics":
				panic("oh no")
			case "nothing":
				return Identity{Name: user, IDs: []string{}}, nil
			default:
				return Identity{Name: user, IDs: []string{user + "/*"}}, nil
			}
		}
	})
	for _, user := range []string{"", "late"} {
		resp, body := s.handshake("/ws", "X-User: "+user)
		if resp.StatusCode != 401 || strings.Contains(body, "secret") || resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %d %s", user, resp.StatusCode, body)
		}
	}
	if _, err := http.DefaultClient.Do(&http.Request{
		URL: &url.URL{Scheme: "http", Host: s.Addr().String(), Path: "/ws"}, Header: http.Header{"X-User": {"panics"}},
	}); err == nil {
		t.Error("a panic is answered")
	}
	for user, allowed := range map[string]bool{"ann": true, "nothing": false} {
		conn, _, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{HTTPHeader: http.Header{"X-User": {user}}})
		if err != nil {
			t.Fatal(err)
		}
		c := &client{t, s.ctx, conn, nil}
		c.send(`{"id":"ann/1","seq":1}`)
		if allowed {
			c.expect(`{"op":"ack","id":"ann/1","seq":1}`)
		} else {
			c.expectError(codeForbidden, `"retry":false,"id":"ann/1","seq":1`)
		}
		_ = conn.CloseNow()
	}
	s.waitGone(0)
	s.gate.places.mu.Lock()
	defer s.gate.places.mu.Unlock()
	if n := s.gate.places.taken; n != 0 || len(s.gate.places.by) != 0 {
		t.Errorf("%d places are taken of %v", n, s.gate.places.by)
	}

	c := testConfig()
	c.Auth = testAuth(t)
	c.Authenticate = func(*http.Request) (Identity, error) { return Identity{}, nil }
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "auth") {
		t.Errorf("both: %v", err)
	}
}

// X13: who was let in with a token that is no longer good is closed at once with
// 1008; the others go on.
func TestRevoked(t *testing.T) {
	config := testConfig()
	config.Auth = testAuth(t)
	w, err := ListenWebSocket(config)
	if err != nil {
		t.Fatal(err)
	}
	s := serveThis(t, w)
	dial := func(token string) *client {
		t.Helper()
		conn, _, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.CloseNow() })
		return &client{t, s.ctx, conn, nil}
	}
	plain, hashed, file, bound := dial(plainToken), dial(hashedToken), dial(fileToken), dial(boundToken)
	stays := func() {
		t.Helper()
		hashed.send(`{"id":1,"seq":1}`)
		hashed.expect(`{"op":"ack","id":1,"seq":1}`)
	}
	next := config
	auth := *config.Auth
	next.Auth = &auth

	auth.Tokens = auth.Tokens[1:]
	if err := w.Update(next); err != nil {
		t.Fatal(err)
	}
	plain.expectClose(websocket.StatusPolicyViolation)
	stays()

	writeTokens(t, auth.File, "from-file "+wrongToken, "bound "+boundToken+" 18") // bound to another id
	if err := w.Update(next); err != nil {
		t.Fatal(err)
	}
	file.expectClose(websocket.StatusPolicyViolation)
	bound.expectClose(websocket.StatusPolicyViolation)
	stays()

	// A file that cannot be read changes nothing.
	writeTokens(t, auth.File, "from-file")
	if err := w.Update(next); err == nil {
		t.Error("a broken file is taken")
	}
	stays()
	dial(wrongToken)

	// To let everybody in sends nobody away; to ask for tokens again does.
	next.Auth = nil
	if err := w.Update(next); err != nil {
		t.Fatal(err)
	}
	stays()
	open := s.dial("")
	writeTokens(t, auth.File, "from-file "+wrongToken)
	next.Auth = &auth
	if err := w.Update(next); err != nil {
		t.Fatal(err)
	}
	open.expectClose(websocket.StatusPolicyViolation)
	stays()
}

// What is not in the list anymore gets nothing stored once it is expelled, even
// where it goes on sending instead of closing.
func TestNothingIsRoutedOfTheRevoked(t *testing.T) {
	config := testConfig()
	config.Auth = testAuth(t)
	w, err := ListenWebSocket(config)
	if err != nil {
		t.Fatal(err)
	}
	s := serveThis(t, w)
	conn, _, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + plainToken}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	c := &client{t, s.ctx, conn, nil}
	c.send(`{"id":1,"seq":1}`)
	c.expect(`{"op":"ack","id":1,"seq":1}`)
	config.Auth.Tokens = config.Auth.Tokens[1:] // the server has a copy of its own
	if err := w.Update(config); err != nil {
		t.Fatal(err)
	}
	var gone bool
	s.eventually("the expulsion", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		gone = true
		for c := range w.conns {
			c.mu.Lock()
			gone = gone && c.gone
			c.mu.Unlock()
		}
		return gone
	})
	for range 1000 { // it does not read, so it does not close
		if err := conn.Write(s.ctx, websocket.MessageText, []byte(`{"id":2}`)); err != nil {
			break
		}
	}
	s.waitGone(0)
	for _, m := range s.router.Messages() {
		if m.ID == "2" {
			t.Fatalf("routed: %+v", m)
		}
	}
}

// The files are looked at once a minute, and so are tokens that expire.
func TestRevokedWithoutAnUpdate(t *testing.T) {
	file := tokenFile(t, "a "+fileToken, "b "+plainToken)
	synctest.Test(t, func(t *testing.T) {
		soon := time.Now().Add(90 * time.Second).UTC().Format(time.RFC3339)
		s := servePipe(t, func(c *WebSocketConfig) {
			c.PingInterval = 0
			c.Auth = &AuthConfig{File: file, Query: true, Tokens: []TokenConfig{{Name: "soon", Value: oldToken, Expires: soon}}}
		})
		a, b, expires := s.dial("?token="+fileToken), s.dial("?token="+plainToken), s.dial("?token="+oldToken)
		writeTokens(t, file, "b "+plainToken)
		begun := time.Now()
		waitClose := func(c *client) {
			t.Helper()
			if _, _, err := c.conn.Read(context.Background()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
				t.Errorf("closed with %v", err)
			}
		}
		waitClose(a)
		if d := time.Since(begun); d > time.Minute {
			t.Errorf("revoked after %v", d)
		}
		waitClose(expires)
		if d := time.Since(begun); d < 90*time.Second || d > 150*time.Second {
			t.Errorf("expired after %v", d)
		}
		b.send(`{"id":1,"seq":1}`)
		b.expect(`{"op":"ack","id":1,"seq":1}`)
	})
}

func TestIDSet(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		id       string
		has      bool
	}{
		{[]string{"a"}, "a", true},
		{[]string{"a"}, "ab", false},
		{[]string{"a*"}, "a", true},
		{[]string{"a*"}, "abc", true},
		{[]string{"a*"}, "b", false},
		{[]string{"*"}, "x", true},
		{[]string{}, "x", false},
		{[]string{"a", "b*"}, "bb", true},
	} {
		if got := newIDSet(c.patterns).has(c.id); got != c.has {
			t.Errorf("%q has %q: %v", c.patterns, c.id, got)
		}
	}
	if newIDSet(nil) != nil {
		t.Error("nil is a set")
	}
	if p := (&pass{}); !p.mayWrite("x") {
		t.Error("who is bound to nothing may not write")
	}
}

func TestValidateServer(t *testing.T) {
	c := testConfig()
	c.Origins, c.TrustedProxies = []string{"x"}, []string{"x"}
	c.MaxConnections, c.MaxConnectionsPerAddress = -1, -1
	c.TLS, c.Auth = &TLSConfig{}, &AuthConfig{}
	got := map[string]bool{}
	for _, e := range c.Validate().(interface{ Unwrap() []error }).Unwrap() {
		var o *engine.OptionError
		if !errors.As(e, &o) {
			t.Fatal(e)
		}
		got[o.Option] = true
	}
	for _, option := range []string{"origins", "trusted_proxies", "max_connections", "max_connections_per_address", "tls.cert", "tls.key", "auth"} {
		if !got[option] {
			t.Errorf("%s is not reported", option)
		}
	}
	for name, ok := range map[string]bool{"a": true, "edge-1_a.b@c": true, strings.Repeat("x", 64): true, "": false, "a b": false, "ä": false, strings.Repeat("x", 65): false} {
		if validName(name) != ok {
			t.Errorf("%q is a name: %v", name, !ok)
		}
	}
	for token, ok := range map[string]bool{strings.Repeat("x", 16): true, strings.Repeat("x", 15): false, strings.Repeat("x", 15) + " ": false, strings.Repeat("ä", 16): false} {
		if validToken(token) != ok {
			t.Errorf("%q is a token: %v", token, !ok)
		}
	}
	if !slices.Equal(DefaultWebSocketConfig().Origins, []string{}) {
		t.Error("the default of origins is not an empty list")
	}
}

// A file that has just been written may be written on: it is left for the next look.
func TestFilesThatAreBeingWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a " + strings.Repeat("a", 16) + "\nb " + strings.Repeat("b", 16) + "\n")
	c := testConfig()
	c.Auth = &AuthConfig{File: file}
	g, err := newGate(c.ServerConfig)
	if err != nil {
		t.Fatal(err)
	}
	write("a " + strings.Repeat("a", 16) + "\n") // and b will follow
	g.reread(time.Now())
	if n := len(g.rules.Load().tokens.list); n != 2 {
		t.Errorf("there are %d tokens at once", n)
	}
	g.reread(time.Now().Add(settled))
	if n := len(g.rules.Load().tokens.list); n != 1 {
		t.Errorf("there are %d tokens later", n)
	}
}

// Of two headers a proxy may have looked at the other one.
func TestTwoAuthorizationHeaders(t *testing.T) {
	good := strings.Repeat("a", 16)
	c := testConfig()
	c.Auth = &AuthConfig{Tokens: []TokenConfig{{Name: "a", Value: engine.Secret(good)}}}
	g, err := newGate(c.ServerConfig)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]bool{1: true, 2: false} {
		r := httptest.NewRequest(http.MethodGet, "/ws", http.NoBody)
		for range n {
			r.Header.Add("Authorization", "Bearer "+good)
		}
		p, no := g.enter(r)
		if (no == nil) != want {
			t.Errorf("%d headers: %+v", n, no)
		}
		if p != nil {
			p.leave()
		}
	}
}

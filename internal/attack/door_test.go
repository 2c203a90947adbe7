package attack

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/long"
)

// The tokens of these tests. The daemon must never say any of them.
const (
	goodToken    = "good-token-0123456789abcdef"
	revokedToken = "revoked-token-0123456789abcdef"
	expiredToken = "expired-token-0123456789abcdef"
	wrongToken   = "wrong-token-0123456789abcdef"
)

func bearer(token string) string { return "Authorization: Bearer " + token }

// guesses are attempts to come in without a token that is good.
var guesses = []struct{ target, line string }{
	{"/ws", "X-None: "},
	{"/ws", bearer(wrongToken)},
	{"/ws", bearer(expiredToken)},
	{"/ws", bearer("")},
	{"/ws", bearer(goodToken[:len(goodToken)-1])},
	{"/ws", bearer(goodToken + "x")},
	{"/ws", bearer(goodToken + "," + goodToken)},
	{"/ws", bearer(strings.ToUpper(goodToken))},
	{"/ws", "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+goodToken))},
	{"/ws", "Authorization: " + goodToken},
	{"/ws", "Sec-WebSocket-Protocol: ingest.v1, " + subprotocol(wrongToken)},
	{"/ws", "Sec-WebSocket-Protocol: ingest.v1, ingest.bearer." + goodToken},
	{"/ws", "Cookie: token=" + goodToken},
	{"/ws?token=" + goodToken, "X-None: "}, // auth.query is off
	{"/ws?token=" + wrongToken, "X-None: "},
}

func subprotocol(token string) string {
	return "ingest.bearer." + base64.RawURLEncoding.EncodeToString([]byte(token))
}

var doorAttacks = map[string]func(*attacker) error{
	// origins asks for a connection from the page of each line of Text, and tells
	// the statuses.
	"origins": func(a *attacker) error {
		for i, line := range strings.Split(a.Text, "\n") {
			c, err := a.dial(i)
			if err != nil {
				return err
			}
			r, err := c.ask("/ws", strings.Split(line, "|")...)
			if err != nil {
				return err
			}
			a.tell("asked", map[string]int{"status": r.StatusCode}, line)
			_ = c.Close()
		}
		return nil
	},

	// guess tries all guesses, N times, and tells the statuses.
	"guess": func(a *attacker) error {
		statuses := make([]int, a.N*len(guesses))
		err := a.each(len(statuses), func(i int) error {
			c, err := a.dial(i)
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }()
			g := guesses[i%len(guesses)]
			r, err := c.ask(g.target, g.line)
			if err == nil {
				statuses[i] = r.StatusCode
			}
			return err
		})
		for i, status := range statuses {
			a.tell("guessed", map[string]int{"guess": i % len(guesses), "status": status})
		}
		return err
	},

	// revoked comes in with a token, N times, and tells how the connections end.
	"revoked": func(a *attacker) error {
		conns := make([]*raw, a.N)
		err := a.each(a.N, func(i int) (err error) {
			conns[i], err = a.websocket(i, bearer(revokedToken))
			return err
		})
		if err != nil {
			return err
		}
		a.tell("in", nil)
		codes := make([]int, a.N)
		_ = a.each(a.N, func(i int) error {
			codes[i] = conns[i].outcome(false)
			return nil
		})
		for _, code := range codes {
			a.tell("out", map[string]int{"code": code})
		}
		return nil
	},

	// handshakes tries to come in over TLS in several ways, with what is in the
	// directory Text, and tells the status of each; 0 where it was refused.
	"handshakes": func(a *attacker) error {
		ca, err := os.ReadFile(filepath.Join(a.Text, "ca.pem"))
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		for i, h := range []struct {
			name, cert string
			version    uint16
		}{
			{"good", "client", 0},
			{"TLS 1.2", "client", tls.VersionTLS12},
			{"TLS 1.1", "client", tls.VersionTLS11},
			{"TLS 1.0", "client", tls.VersionTLS10},
			{"no certificate", "", 0},
			{"no certificate, TLS 1.2", "", tls.VersionTLS12},
			{"expired", "old", 0},
			{"of another authority", "foreign", 0},
			{"no TLS", "", 1},
		} {
			c, err := a.dial(i)
			if err != nil {
				return err
			}
			config := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS10, MaxVersion: h.version}
			if h.cert != "" {
				pair, err := tls.LoadX509KeyPair(filepath.Join(a.Text, h.cert+".pem"), filepath.Join(a.Text, h.cert+".key"))
				if err != nil {
					return err
				}
				// Whatever the server would like to have, it gets this one.
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
			}
			status, serial := 0, 0
			if h.version == 1 {
				if r, err := c.ask("/ws"); err == nil {
					status = r.StatusCode
				}
			} else {
				conn := tls.Client(c.Conn, config)
				over := &raw{Conn: conn, r: c.r}
				over.r.Reset(conn)
				if r, err := over.ask("/ws"); err == nil {
					status = r.StatusCode
				}
				if peers := conn.ConnectionState().PeerCertificates; len(peers) > 0 {
					serial = int(peers[0].SerialNumber.Int64())
				}
			}
			a.tell(h.name, map[string]int{"status": status, "serial": serial})
			_ = c.Close()
		}
		return nil
	},

	// admin sends what a hostile page could send to the admin server, and more.
	"admin": func(a *attacker) error {
		for i, request := range strings.Split(a.Text, "\n") {
			c, err := a.dial(i)
			if err != nil {
				return err
			}
			if _, err := io.WriteString(c, strings.ReplaceAll(request, "|", "\r\n")+"\r\n\r\n"); err != nil {
				return err
			}
			r, err := http.ReadResponse(c.r, nil)
			if err != nil {
				return err
			}
			a.tell("answered", map[string]int{"status": r.StatusCode, "cors": len(r.Header.Values("Access-Control-Allow-Origin"))}, request)
			_ = r.Body.Close()
			_ = c.Close()
		}
		return nil
	},
}

// X12: a page may connect only if it is of the list, or of the same host.
func TestOtherOrigins(t *testing.T) {
	x := start(t, "--set=transport.websocket.origins=https://app.example.com,https://*.wild.example,http://dev.example:5173")
	host := x.address()
	cases := map[string]int{
		"X-None: ":                                                     101,
		"Origin: http://" + host:                                       101,
		"Origin: https://app.example.com":                              101,
		"Origin: https://APP.example.com:443":                          101,
		"Origin: https://a.wild.example":                               101,
		"Origin: http://dev.example:5173":                              101,
		"Origin: null":                                                 403,
		"Origin: ":                                                     403,
		"Origin: https://evil.example":                                 403,
		"Origin: http://app.example.com":                               403,
		"Origin: https://app.example.com:8443":                         403,
		"Origin: http://dev.example":                                   403,
		"Origin: https://app.example.com.evil.example":                 403,
		"Origin: https://evilapp.example.com":                          403,
		"Origin: https://app.example.com@evil.example":                 403,
		"Origin: https://evil.example#app.example.com":                 403,
		"Origin: https://wild.example":                                 403,
		"Origin: https://evilwild.example":                             403,
		"Origin: https://wild.example.evil.example":                    403,
		"Origin: https://" + host:                                      101, // TLS may end at a proxy
		"Origin: http://" + host + "0":                                 403,
		"Origin: http://127.0.0.1":                                     403,
		"Host: evil.example|Origin: http://evil.example":               403, // a name made to lead here
		"Host: app.example.com|Origin: http://evil.example":            403,
		"Origin: https://app.example.com|Origin: https://evil.example": 403,
	}
	all := make([]string, 0, len(cases))
	for line := range cases {
		all = append(all, line)
	}
	for range x.rounds() {
		x.again(func() {
			e := attack(t, order{Attack: "origins", Address: host, Text: strings.Join(all, "\n")})
			for range all {
				r := e.says("asked")
				if want := cases[r.Texts[0]]; r.Counts["status"] != want {
					t.Errorf("%s: status %d, want %d", r.Texts[0], r.Counts["status"], want)
				}
			}
			e.end()
		})
		x.wave()
	}
	t.Logf("FIGURE X12: %d combinations", len(all))
	x.fine()
}

const guarded = `
transport "websocket" {
  auth {
    file = "tokens"
    token "old" {
      value   = "` + expiredToken + `"
      expires = "2020-01-01T00:00:00Z"
    }
  }
}`

// X13: who has no token that is good is refused before there is a connection; one
// whose token is taken back is sent away; and no token is ever logged.
func TestGuessedTokens(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		if err := os.WriteFile(tokens, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("behaved " + goodToken + "\nrevoked " + revokedToken + "\n")
	x := startAs(t, plan{
		config: strings.Replace(guarded, `"tokens"`, fmt.Sprintf("%q", tokens), 1),
		header: http.Header{"Authorization": {"Bearer " + goodToken}},
	})
	rounds := long.Scale(10, 1000)
	for range x.rounds() {
		e := attack(t, order{Attack: "guess", Address: x.address(), N: rounds})
		for range rounds * len(guesses) {
			if r := e.says("guessed"); r.Counts["status"] != http.StatusUnauthorized {
				t.Errorf("guess %v: status %d", guesses[r.Counts["guess"]], r.Counts["status"])
			}
		}
		x.wave()
		e.end()
	}

	n := long.Scale(20, 1000)
	e := attack(t, order{Attack: "revoked", Address: x.address(), N: n})
	e.says("in")
	write("behaved " + goodToken + "\n")
	if err := x.daemon.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for range n {
		if r := e.says("out"); r.Counts["code"] != 1008 {
			t.Errorf("a connection whose token was taken back ended with %d", r.Counts["code"])
		}
	}
	e.end()
	t.Logf("FIGURE X13: %d guesses refused, %d connections revoked", long.Scale(1, 3)*rounds*len(guesses), n)
	x.recovers()
	x.fine()
	for _, token := range []string{goodToken, revokedToken, expiredToken, wrongToken} {
		for _, form := range []string{token, base64.RawURLEncoding.EncodeToString([]byte(token))} {
			if strings.Contains(x.log.String(), form) {
				t.Errorf("the log has the token %s", token)
			}
		}
	}
}

// X18: old versions of TLS and certificates that are not good are refused, and a
// certificate is replaced without a restart.
func TestTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	ca.issue("server", time.Hour)
	pair := ca.issue("client", time.Hour)
	ca.issue("old", -time.Hour)
	other.dir = t.TempDir()
	other.issue("foreign", time.Hour)
	for _, name := range []string{"foreign.pem", "foreign.key"} {
		if err := os.Rename(other.path(name), ca.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{pair}},
	}}
	x := startAs(t, plan{http: client, config: fmt.Sprintf(`
transport "websocket" {
  tls {
    cert      = %q
    key       = %q
    client_ca = %q
  }
}`, ca.path("server.pem"), ca.path("server.key"), ca.path("ca.pem"))})
	expect := func(serial int, good int) {
		t.Helper()
		e := attack(t, order{Attack: "handshakes", Address: x.address(), Text: ca.dir})
		for _, name := range []string{"good", "TLS 1.2"} {
			if r := e.says(name); r.Counts["status"] != good || good != 0 && r.Counts["serial"] != serial {
				t.Errorf("%s: %v, want status %d and the certificate %d", name, r.Counts, good, serial)
			}
		}
		for _, name := range []string{"TLS 1.1", "TLS 1.0", "no certificate", "no certificate, TLS 1.2", "expired", "of another authority"} {
			if r := e.says(name); r.Counts["status"] != 0 {
				t.Errorf("%s: %v", name, r.Counts)
			}
		}
		if r := e.says("no TLS"); r.Counts["status"] != http.StatusBadRequest {
			t.Errorf("without TLS: %v", r.Counts)
		}
		e.end()
	}
	for range x.rounds() {
		x.again(func() { expect(2, http.StatusSwitchingProtocols) })
		x.wave()
	}

	renewals := 0
	renew := func(valid time.Duration) {
		t.Helper()
		renewals++
		ca.issue("server", valid)
		if err := x.daemon.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the files are read again", func() bool {
			return strings.Count(x.log.String(), "configuration reloaded") >= renewals
		})
	}
	renew(-time.Minute) // by mistake: clients that look at it go away
	expect(5, 0)
	renew(time.Hour)
	expect(6, http.StatusSwitchingProtocols)
	x.recovers()
	x.fine()
}

// X17: to a page of another host the admin server only tells how the daemon is, and
// the page cannot read even that.
func TestAdminFromAPage(t *testing.T) {
	x := start(t)
	cases := map[string]int{
		"GET /healthz HTTP/1.1|Host: evil.example|Origin: http://evil.example":                          200,
		"GET /readyz HTTP/1.1|Host: evil.example|Origin: http://evil.example":                           200,
		"POST /healthz HTTP/1.1|Host: x|Origin: http://evil.example|Content-Length: 0":                  403,
		"POST /readyz HTTP/1.1|Host: x|Sec-Fetch-Site: cross-site|Content-Length: 0":                    403,
		"DELETE /readyz HTTP/1.1|Host: x":                                                               405,
		"OPTIONS /readyz HTTP/1.1|Host: x|Origin: http://evil.example|Access-Control-Request-Method: X": 405,
		"GET / HTTP/1.1|Host: x":                                                                                          403,
		"GET /debug/pprof/ HTTP/1.1|Host: x":                                                                              403,
		"GET /api/v1/status HTTP/1.1|Host: x":                                                                             403, // a name made to lead here
		"GET /api/v1/status HTTP/1.1|Host: localhost|Origin: http://evil.example":                                         403,
		"GET /api/v1/events HTTP/1.1|Host: localhost|Sec-Fetch-Site: same-site":                                           403,
		"GET /api/v1/tail HTTP/1.1|Host: 127.0.0.1|Sec-Fetch-Site: cross-site":                                            403,
		"POST /api/v1/reload HTTP/1.1|Host: 127.0.0.1|Sec-Fetch-Site: cross-site|Content-Length: 0":                       403,
		"POST /api/v1/messages HTTP/1.1|Host: localhost|Origin: http://evil.example|Content-Length: 2||{}":                403,
		"POST /login HTTP/1.1|Host: localhost|Origin: null|Content-Length: 0":                                             403,
		"OPTIONS /api/v1/reload HTTP/1.1|Host: localhost|Origin: http://evil.example|Access-Control-Request-Method: POST": 405,
		"GET /../../etc/passwd HTTP/1.1|Host: x":                                                                          404,
		"GET /healthz HTTP/1.1":                                                                                           400, // no host
	}
	all := make([]string, 0, len(cases))
	for request := range cases {
		all = append(all, request)
	}
	_, admin, _ := strings.Cut(x.daemon.Admin(), "://")
	for range x.rounds() {
		x.again(func() {
			e := attack(t, order{Attack: "admin", Address: admin, Text: strings.Join(all, "\n")})
			for range all {
				r := e.says("answered")
				if want := cases[r.Texts[0]]; r.Counts["status"] != want && !(want == 404 && r.Counts["status"] == 307) || r.Counts["cors"] != 0 {
					t.Errorf("%s: %v, want %d", r.Texts[0], r.Counts, want)
				}
			}
			e.end()
		})
		x.wave()
	}
	t.Logf("FIGURE X17: %d requests", len(all))
	x.fine()
}

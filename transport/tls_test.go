package transport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	dir  string
	n    int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert: cert, key: key, pool: x509.NewCertPool(), dir: t.TempDir(), n: 1}
	a.pool.AddCert(cert)
	writePEM(t, a.file("ca.pem"), "CERTIFICATE", der)
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// issue writes NAME.pem and NAME.key, good until then.
func (a *authority) issue(t *testing.T, name string, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.n++
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(a.n), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.file(name+".pem"), "CERTIFICATE", der)
	writePEM(t, a.file(name+".key"), "PRIVATE KEY", text)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// server gives the configuration of a server with a good certificate.
func (a *authority) server(t *testing.T) *TLSConfig {
	t.Helper()
	a.issue(t, "server", time.Now().Add(time.Hour))
	return &TLSConfig{Cert: a.file("server.pem"), Key: a.file("server.key")}
}

// client gives an HTTP client that trusts the authority and shows these
// certificates.
func (a *authority) client(show ...tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: a.pool, Certificates: show},
		DisableKeepAlives: true,
	}}
}

// tryTLS connects and gives what comes of it: nil where a message is acked.
func (s *server) tryTLS(c *http.Client) error {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, s.URL(), &websocket.DialOptions{HTTPClient: c})
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"id":1,"seq":1}`)); err != nil {
		return err
	}
	_, _, err = conn.Read(ctx)
	return err
}

// X18: nothing older than TLS 1.2 is spoken.
func TestTLSVersions(t *testing.T) {
	ca := newAuthority(t)
	s := serve(t, func(c *WebSocketConfig) { c.TLS = ca.server(t) })
	if !strings.HasPrefix(s.URL(), "wss://127.0.0.1:") {
		t.Errorf("it is at %s", s.URL())
	}
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		client := ca.client()
		config := client.Transport.(*http.Transport).TLSClientConfig
		config.MinVersion, config.MaxVersion = version, version
		if err := s.tryTLS(client); (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	// What is not TLS gets nowhere, and nothing of it reaches the server.
	resp, err := http.Get(strings.Replace(s.URL(), "wss://", "http://", 1))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest || s.Stats().Accepted != 2 {
		t.Errorf("%d; %d connections", resp.StatusCode, s.Stats().Accepted)
	}
}

// X18: a client without a certificate of the right authority, or with one that has
// expired, is refused before it can send anything.
func TestClientCertificates(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	s := serve(t, func(c *WebSocketConfig) {
		c.TLS = ca.server(t)
		c.TLS.ClientCA = ca.file("ca.pem")
	})
	good := ca.issue(t, "good", time.Now().Add(time.Hour))
	if err := s.tryTLS(ca.client(good)); err != nil {
		t.Error(err)
	}
	for name, client := range map[string]*http.Client{
		"none":              ca.client(),
		"another authority": ca.client(other.issue(t, "other", time.Now().Add(time.Hour))),
		"expired":           ca.client(ca.issue(t, "old", time.Now().Add(-time.Hour))),
	} {
		// A client of TLS 1.3 that offers none of the authority's sends none.
		transport := client.Transport.(*http.Transport)
		if shown := transport.TLSClientConfig.Certificates; len(shown) > 0 {
			transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown[0], nil }
		}
		if err := s.tryTLS(client); err == nil {
			t.Errorf("a client with a certificate of kind %q is let in", name)
		}
	}
	if n := s.Stats().Accepted; n != 1 {
		t.Errorf("%d connections", n)
	}

	// Another authority takes the place of the first, also for those that could
	// resume a session.
	c := testConfig()
	c.TLS = &TLSConfig{Cert: ca.file("server.pem"), Key: ca.file("server.key"), ClientCA: other.file("ca.pem")}
	resuming := ca.client(good)
	resuming.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	if err := s.tryTLS(resuming); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(c); err != nil {
		t.Fatal(err)
	}
	if err := s.tryTLS(resuming); err == nil {
		t.Error("a certificate of the authority that was is good still")
	}
	if err := s.tryTLS(ca.client(other.issue(t, "new", time.Now().Add(time.Hour)))); err != nil {
		t.Error(err)
	}
}

// Who came in with a certificate of roots that are no longer those of clients is sent
// away; who has one of roots that stayed is not.
func TestRootsOfClientsAreTakenBack(t *testing.T) {
	old, kept := newAuthority(t), newAuthority(t)
	config := testConfig()
	config.TLS = kept.server(t)
	config.TLS.ClientCA = filepath.Join(t.TempDir(), "clients.pem")
	roots := func(files ...string) {
		var all []byte
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		if err := os.WriteFile(config.TLS.ClientCA, all, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots(old.file("ca.pem"), kept.file("ca.pem"))
	w, err := ListenWebSocket(config)
	if err != nil {
		t.Fatal(err)
	}
	s := serveThis(t, w)
	dial := func(of *authority, name string) *client {
		over := kept.client(of.issue(t, name, time.Now().Add(time.Hour)))
		conn, _, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{HTTPClient: over})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.CloseNow() })
		return &client{t, s.ctx, conn, nil}
	}
	leaves, stays := dial(old, "leaves"), dial(kept, "stays")
	for id, c := range map[string]*client{"leaves": leaves, "stays": stays} {
		c.send(fmt.Sprintf(`{"id":%q,"seq":1}`, id))
		c.expect(fmt.Sprintf(`{"op":"ack","id":%q,"seq":1}`, id))
	}
	for _, m := range s.router.Messages() {
		if m.Sender != m.ID {
			t.Errorf("the sender of %s is %q, want the name in its certificate", m.ID, m.Sender)
		}
	}
	roots(kept.file("ca.pem"))
	if err := w.Update(config); err != nil {
		t.Fatal(err)
	}
	if _, err := leaves.receive(); websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), reasonNoCert) {
		t.Errorf("a client of the roots that were: %v", err)
	}
	stays.send(`{"id":"stays","seq":2}`)
	stays.expect(`{"op":"ack","id":"stays","seq":2}`)
}

// X18: a certificate that has expired is replaced without a restart, and the
// connections go on.
func TestCertificateIsRenewed(t *testing.T) {
	ca := newAuthority(t)
	config := testConfig()
	config.TLS = ca.server(t)
	log := &logged{}
	config.Logger = hclog.New(&hclog.LoggerOptions{Output: log, DisableTime: true})
	w, err := ListenWebSocket(config)
	if err != nil {
		t.Fatal(err)
	}
	s := serveThis(t, w)
	conn, _, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{HTTPClient: ca.client()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	first := &client{t, s.ctx, conn, nil}

	ca.issue(t, "server", time.Now().Add(-time.Minute))
	s.gate.reread(time.Now().Add(settled))
	if err := s.tryTLS(ca.client()); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired certificate: %v", err)
	}

	// Half of a renewal changes nothing: the key of one does not fit the other.
	if err := os.Remove(config.TLS.Key); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.gate.reread(time.Now().Add(settled))
	}
	if err := w.Update(config); err == nil || !strings.Contains(err.Error(), "server.key") {
		t.Errorf("an update without a key: %v", err)
	}
	if n := strings.Count(log.String(), "cannot be read again"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log)
	}

	ca.issue(t, "server", time.Now().Add(time.Hour))
	s.gate.reread(time.Now().Add(settled))
	if err := s.tryTLS(ca.client()); err != nil {
		t.Error(err)
	}
	first.send(`{"id":"first","seq":1}`)
	first.expect(`{"op":"ack","id":"first","seq":1}`)
}

func TestCertificatesThatCannotBeRead(t *testing.T) {
	ca := newAuthority(t)
	good := ca.server(t)
	for name, config := range map[string]TLSConfig{
		"no such file":          {Cert: ca.file("none.pem"), Key: good.Key},
		"another's key":         {Cert: good.Cert, Key: ca.file("ca.pem")},
		"no roots in it":        {Cert: good.Cert, Key: good.Key, ClientCA: good.Key},
		"no such file of roots": {Cert: good.Cert, Key: good.Key, ClientCA: ca.file("none.pem")},
	} {
		c := testConfig()
		c.TLS = &config
		if _, err := ListenWebSocket(c); err == nil || !strings.Contains(err.Error(), ca.dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// X3: a handshake of TLS that stalls is cut after five seconds.
func TestStalledTLS(t *testing.T) {
	ca := newAuthority(t)
	pair := ca.server(t)
	for name, send := range map[string]string{"nothing": "", "half a record": "\x16\x03\x01\x02\x00\x01"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := servePipe(t, func(c *WebSocketConfig) { c.TLS = pair })
				raw, err := s.listener.dial()
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				_, _ = raw.Write([]byte(send))
				if _, err := raw.Read(make([]byte, 1)); err == nil {
					t.Error("it is answered")
				}
				if d := time.Since(begun); d > 5*time.Second {
					t.Errorf("it is cut after %v", d)
				}
			})
		})
	}
}

package jet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"go.uber.org/goleak"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/natstest"
	"github.com/ingestd/ingestd/internal/outbound"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "s3cret-9f2"

func connection(urls ...string) jet.Connection {
	c := jet.DefaultConnection()
	c.URL = nil
	for _, u := range urls {
		c.URL = append(c.URL, engine.Secret(u))
	}
	return c
}

// try connects, and gives why that is not possible. No secret is told by anybody.
func try(t *testing.T, c jet.Connection) error {
	t.Helper()
	var j natstest.Journal
	nc, err := c.Dial(t.Context(), "test", j.Logger())
	if err == nil {
		err = nc.FlushTimeout(10 * time.Second)
		nc.Close()
	}
	text := j.String()
	if err != nil {
		text += err.Error()
	}
	if strings.Contains(text, secret) || strings.Contains(text, "SUA") {
		t.Errorf("a secret is told: %s", text)
	}
	return err
}

func TestConnectionValidate(t *testing.T) {
	if err := jet.DefaultConnection().Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*jet.Connection){
		"": func(*jet.Connection) {},
		" ": func(c *jet.Connection) {
			c.URL = jet.URLs{"tls://u:" + secret + "@a:1", "nats://u:" + secret + "@b"}
		},
		"url: is missing":                      func(c *jet.Connection) { c.URL = nil },
		"url: one is there twice":              func(c *jet.Connection) { c.URL = jet.URLs{"nats://a", "nats://a"} },
		"url: must be nats:// or tls://":       func(c *jet.Connection) { c.URL = jet.URLs{"http://u:" + secret + "@a"} },
		"url: must be nats:// or tls:// ":      func(c *jet.Connection) { c.URL = jet.URLs{"nats://u:" + secret + "%zz@a"} },
		"url: must be nats:// or tls://  ":     func(c *jet.Connection) { c.URL = jet.URLs{"nats://"} },
		"url: must have no ? and #":            func(c *jet.Connection) { c.URL = jet.URLs{"nats://a?x=" + secret} },
		"url: must be all with":                func(c *jet.Connection) { c.URL = jet.URLs{"nats://a", "wss://b"} },
		"user: and token, nkey_file":           func(c *jet.Connection) { c.User, c.Token = "u", secret },
		"user: and token, nkey_file ":          func(c *jet.Connection) { c.URL, c.CredentialsFile = jet.URLs{"nats://u@a"}, "f" },
		"password: is set without a user":      func(c *jet.Connection) { c.Password = secret },
		"tls.cert: and key belong together":    func(c *jet.Connection) { c.TLS = &outbound.TLS{Cert: "a"} },
		"connect_timeout: must be positive, n": func(c *jet.Connection) { c.ConnectTimeout = 0 },
	} {
		c := jet.DefaultConnection()
		change(&c)
		err := c.Validate()
		if want = strings.TrimSpace(want); want == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), secret) {
			t.Errorf("%v, not %s", err, want)
		}
		if _, err := c.Dial(t.Context(), "", nil); err == nil {
			t.Errorf("Dial does not validate: %s", want)
		}
	}
	c := connection("tls://u:"+secret+"@a:1", "nats://b")
	if c.Hosts() != "a:1,b" {
		t.Errorf("Hosts is %s", c.Hosts())
	}
}

// Whoever the server asks for can be shown; others are refused, which blocks.
func TestWho(t *testing.T) {
	users := natstest.Start(t, func(o *natsserver.Options) {
		o.Users = []*natsserver.User{{Username: "edge", Password: secret}}
	})
	token := natstest.Start(t, func(o *natsserver.Options) { o.Authorization = secret })

	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := key.Seed()
	public, _ := key.PublicKey()
	nkey := natstest.Start(t, func(o *natsserver.Options) { o.Nkeys = []*natsserver.NkeyUser{{Nkey: public}} })
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	seedFile := write("seed", seed)
	operator, creds := credentials(t)
	jwts := natstest.Start(t, operator)
	credsFile := write("creds", creds)
	other, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	otherSeed, _ := other.Seed()
	otherFile := write("other", otherSeed)
	empty := write("empty", nil)

	with := func(s *natstest.Server, change func(*jet.Connection)) jet.Connection {
		c := connection(s.URL())
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		is   jet.Connection
		good bool
	}{
		"password":        {with(users, func(c *jet.Connection) { c.User, c.Password = "edge", secret }), true},
		"in the URL":      {connection("nats://edge:" + secret + "@" + users.Address()), true},
		"wrong password":  {with(users, func(c *jet.Connection) { c.User, c.Password = "edge", secret+"x" }), false},
		"wrong in URL":    {connection("nats://edge:" + secret + "x@" + users.Address()), false},
		"nobody":          {connection(users.URL()), false},
		"token":           {with(token, func(c *jet.Connection) { c.Token = secret }), true},
		"wrong token":     {with(token, func(c *jet.Connection) { c.Token = secret + "x" }), false},
		"nkey":            {with(nkey, func(c *jet.Connection) { c.NKeyFile = seedFile }), true},
		"wrong nkey":      {with(nkey, func(c *jet.Connection) { c.NKeyFile = otherFile }), false},
		"no nkey":         {with(nkey, func(c *jet.Connection) { c.NKeyFile = empty }), false},
		"credentials":     {with(jwts, func(c *jet.Connection) { c.CredentialsFile = credsFile }), true},
		"others' account": {with(nkey, func(c *jet.Connection) { c.CredentialsFile = credsFile }), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := try(t, c.is)
			if c.good && err != nil {
				t.Error(err)
			}
			if !c.good && !engine.IsBlocked(err) {
				t.Errorf("it is let in, or it passes: %v", err)
			}
			faults, doubts := c.is.CheckFiles()
			if (faults != nil) != (c.is.NKeyFile == empty) || doubts != nil {
				t.Errorf("%v, %v", faults, doubts)
			}
		})
	}
	// The files are looked into before.
	open := write("open", seed)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	c := connection(nkey.URL())
	c.NKeyFile, c.CredentialsFile, c.TLS = open, seedFile, &outbound.TLS{CA: filepath.Join(dir, "none")}
	faults, doubts := c.CheckFiles()
	if faults == nil || !strings.Contains(faults.Error(), "tls.ca: cannot be read") || !strings.Contains(faults.Error(), "credentials_file: cannot be used") ||
		strings.Contains(faults.Error(), "SUA") {
		t.Error(faults)
	}
	if doubts == nil || !strings.Contains(doubts.Error(), "nkey_file: every user of this machine can read the seed: chmod 600 "+open) {
		t.Error(doubts)
	}
}

// credentials are an operator with an account, and a user of it.
func credentials(t *testing.T) (natstest.Option, []byte) {
	t.Helper()
	pair := func(kind nkeys.PrefixByte) (nkeys.KeyPair, string) {
		key, err := nkeys.CreatePair(kind)
		if err != nil {
			t.Fatal(err)
		}
		public, err := key.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return key, public
	}
	operatorKey, operatorID := pair(nkeys.PrefixByteOperator)
	accountKey, accountID := pair(nkeys.PrefixByteAccount)
	systemKey, systemID := pair(nkeys.PrefixByteAccount)
	userKey, userID := pair(nkeys.PrefixByteUser)
	_ = systemKey
	encode := func(claims jwt.Claims, key nkeys.KeyPair) string {
		text, err := claims.Encode(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	operator := jwt.NewOperatorClaims(operatorID)
	operator.SystemAccount = systemID
	decoded, err := jwt.DecodeOperatorClaims(encode(operator, operatorKey))
	if err != nil {
		t.Fatal(err)
	}
	account := encode(jwt.NewAccountClaims(accountID), operatorKey)
	system := encode(jwt.NewAccountClaims(systemID), operatorKey)
	seed, err := userKey.Seed()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(encode(jwt.NewUserClaims(userID), accountKey), seed)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *natsserver.Options) {
		resolver := &natsserver.MemAccResolver{}
		_ = resolver.Store(accountID, account)
		_ = resolver.Store(systemID, system)
		o.TrustedOperators, o.SystemAccount, o.AccountResolver = []*jwt.OperatorClaims{decoded}, systemID, resolver
	}, creds
}

// authority issues certificates.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", nil)
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) issue(name string, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{name}, BasicConstraintsValid: true, IsCA: by == nil,
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: raw},
	} {
		if err := os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// Both ends show certificates, and look at the other's. Renewed files count from the
// next connection.
func TestTLS(t *testing.T) {
	a, others := newAuthority(t), newAuthority(t)
	a.issue("nats.test", a)
	a.issue("edge", a)
	others.issue("edge", others)
	pair, err := tls.LoadX509KeyPair(a.file("nats.test.pem"), a.file("nats.test.key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	server := natstest.Start(t, func(o *natsserver.Options) {
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
		o.TLSTimeout = 10
	})
	good := outbound.TLS{CA: a.file("ca.pem"), Cert: a.file("edge.pem"), Key: a.file("edge.key"), ServerName: "nats.test"}
	for name, c := range map[string]struct {
		change func(*outbound.TLS)
		good   bool
	}{
		"good":                  {func(*outbound.TLS) {}, true},
		"the system's roots":    {func(c *outbound.TLS) { c.CA = "" }, false},
		"another authority":     {func(c *outbound.TLS) { c.CA = others.file("ca.pem") }, false},
		"another name":          {func(c *outbound.TLS) { c.ServerName = "example.com" }, false},
		"no certificate":        {func(c *outbound.TLS) { c.Cert, c.Key = "", "" }, false},
		"another's certificate": {func(c *outbound.TLS) { c.Cert, c.Key = others.file("edge.pem"), others.file("edge.key") }, false},
		"no such file":          {func(c *outbound.TLS) { c.CA = a.file("none") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			settings := good
			c.change(&settings)
			for _, url := range []string{server.URL(), "tls://" + server.Address()} {
				connection := connection(url)
				connection.TLS = &settings
				if err := try(t, connection); (err == nil) != c.good {
					t.Errorf("%s: %v", url, err)
				}
			}
		})
	}
	if err := try(t, connection(server.URL())); err == nil {
		t.Error("it is connected without TLS")
	}
	plain := connection(natstest.Start(t).URL())
	plain.TLS = &good
	if err := try(t, plain); !errors.Is(err, nats.ErrSecureConnWanted) {
		t.Errorf("a server without TLS: %v", err)
	}

	// Renewed: what was another's is ours now.
	settings := good
	settings.Cert, settings.Key = a.file("late.pem"), a.file("late.key")
	others.issue("late", others)
	move := func(from *authority) {
		for _, name := range []string{"late.pem", "late.key"} {
			if err := os.Rename(from.file(name), a.file("new")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(a.file("new"), a.file(name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.issue("late", a)
	c := connection(server.URL())
	c.TLS = &settings
	nc, err := c.Dial(t.Context(), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	move(others)
	server.Restart()
	natstest.Eventually(t, "the certificate of others is refused", func() bool {
		return nc.Stats().Reconnects == 0 && !nc.IsConnected()
	})
	a.issue("late", a)
	natstest.Eventually(t, "the renewed one is taken", nc.IsConnected)
}

// The connection is made again after everything, and the log tells it once.
func TestReconnect(t *testing.T) {
	users := func(password string) natstest.Option {
		return func(o *natsserver.Options) { o.Users = []*natsserver.User{{Username: "edge", Password: password}} }
	}
	server := natstest.Start(t, users(secret))
	c := connection(server.URL())
	c.User, c.Password = "edge", secret
	var j natstest.Journal
	nc, err := c.Dial(t.Context(), "test", j.Logger())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	server.Stop()
	natstest.Eventually(t, "it cannot be made", func() bool { return strings.Contains(j.String(), "cannot connect") })
	if err := nc.Publish("a", nil); !errors.Is(err, nats.ErrReconnectBufExceeded) {
		t.Errorf("something is kept while it is not connected: %v", err)
	}
	server.Restart(users(secret + "x"))
	natstest.Eventually(t, "it is refused", func() bool { return strings.Contains(strings.ToLower(j.String()), "authorization violation") })
	server.Restart(users(secret))
	natstest.Eventually(t, "it is connected again", func() bool { return nc.IsConnected() && strings.Contains(j.String(), "connected again") })
	text := j.String()
	for line, most := range map[string]int{"connection lost": 3, "cannot connect": 6, "reports an error": 2, "connected again": 2} {
		if n := strings.Count(text, line); n == 0 || n > most {
			t.Errorf("%d times: %s", n, line)
		}
	}
	if strings.Contains(text, secret) {
		t.Error("the password is in the log")
	}
	nc.Close()
	if n := strings.Count(j.String(), "connection lost"); n != strings.Count(text, "connection lost") {
		t.Error("a connection that we close is told to be lost")
	}
}

// A server that says nothing holds nobody longer than the context, or the timeout.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c := connection("nats://" + l.Addr().String())
	c.ConnectTimeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer func() { _ = conn.Close() }()
		}
		cancel()
		_, _ = l.Accept()
	}()
	if _, err := c.Dial(ctx, "test", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("the context: %v", err)
	}
	c.ConnectTimeout = 10 * time.Millisecond
	if _, err := c.Dial(t.Context(), "test", nil); err == nil || engine.IsBlocked(err) {
		t.Errorf("the timeout: %v", err)
	}
}

// Several servers in one text are several servers.
func TestURLs(t *testing.T) {
	var c jet.Connection
	if err := c.URL.UnmarshalText([]byte("nats://u:secret@a:1, nats://b")); err != nil {
		t.Fatal(err)
	}
	if len(c.URL) != 2 || c.Hosts() != "a:1,b" {
		t.Errorf("%d are %s", len(c.URL), c.Hosts())
	}
}

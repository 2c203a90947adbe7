package transport

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// ServerConfig is what the transports that are servers have in common: where they
// listen, and whom they let in. It is embedded in their own configurations.
//
// The fields with a tag "live" can change while the server runs: its Update takes
// them.
type ServerConfig struct {
	// Listen is the TCP address; port 0 takes a free one. Empty: it has no port of
	// its own, and serves what the host program brings to ServeHTTP.
	Listen string `hcl:"listen,optional"`

	// Path is where clients find it; every other path is 404. ServeHTTP looks at no
	// path.
	Path string `hcl:"path,optional"`

	// Origins are the web pages that may connect: scheme, host and, where it is not
	// that of the scheme, port, as in "https://app.example.com";
	// "https://*.example.com" is every host below example.com, and "*" every page.
	// A page of the host that it connects to always may. A client that is no browser
	// sends no origin, and none is asked of it unless RequireOrigin is set.
	Origins []string `hcl:"origins,optional" live:"true"`

	// RequireOrigin refuses clients that send no origin.
	RequireOrigin bool `hcl:"require_origin,optional" live:"true"`

	// TrustedProxies are addresses, or networks in CIDR notation, of proxies whose
	// X-Forwarded-For is believed: a message's Remote is then the last address in it
	// that is not such a proxy's, and limits go by it.
	TrustedProxies []string `hcl:"trusted_proxies,optional" live:"true"`

	// MaxConnections is how many connections, or requests of HTTP, are served at
	// once; more are answered with 503. 0: as many as the limit of open files
	// allows, with all such servers of the process together. That bound holds
	// whatever MaxConnections says.
	MaxConnections int `hcl:"max_connections,optional" live:"true"`

	// MaxConnectionsPerAddress is the same for one address, or one network of 64
	// bits where that is of IPv6. 0: no limit.
	MaxConnectionsPerAddress int `hcl:"max_connections_per_address,optional" live:"true"`

	// TLS, where it is not nil, makes the port one of TLS. It says nothing of what a
	// host program brings to ServeHTTP.
	TLS *TLSConfig `hcl:"tls,block"`

	// Auth says who may connect. nil: everybody, unless Authenticate is set.
	Auth *AuthConfig `hcl:"auth,block" live:"true"`

	// Authenticate is the host program's own way to tell who sends a request, in
	// place of Auth. It is called on the request's goroutine, concurrently, before
	// anything is answered. An error refuses the request with 401; its text is told
	// to the log at level debug, and not to the client. An Update leaves it as it is;
	// a connection that is let in is closed when its Identity expires.
	Authenticate func(*http.Request) (Identity, error) `hcl:"-"`

	// Logger hears what an operator should know; nil: nobody does. At level debug
	// that is each connection, each refused handshake and each error answer.
	Logger hclog.Logger

	sockets *sockets // nil: those of the process; tests have their own
}

// TLSConfig names the files that a port of TLS needs. They are read again once a
// minute, and whenever the server's Update is called, so that a certificate can be
// renewed without a restart.
type TLSConfig struct {
	Cert     string `hcl:"cert,optional" live:"true"`      // the certificate and what leads to its root, PEM
	Key      string `hcl:"key,optional" live:"true"`       // its private key, PEM
	ClientCA string `hcl:"client_ca,optional" live:"true"` // the roots, PEM, of which clients must show a certificate; empty: they need none
}

// AuthConfig says which tokens are good. A client shows its token as
// "Authorization: Bearer TOKEN"; a browser, which cannot, as a subprotocol
// "ingest.bearer.BASE64URL" that it offers beside "ingest.v1".
type AuthConfig struct {
	// Query allows the token in the query too, as ?token=TOKEN. What is in a URL
	// tends to be logged on its way, so it is off unless a client can do no better.
	Query bool `hcl:"query,optional"`

	// File has more tokens, one a line: NAME TOKEN, or NAME sha256:HEX, and after it
	// the ids, if it is bound to some, separated by commas. # begins a comment, where
	// a word begins. It is read again once a minute, and whenever the server's Update
	// is called. A name may have several tokens.
	File string `hcl:"file,optional"`

	// Tokens are the tokens of the configuration itself.
	Tokens []TokenConfig `hcl:"token,block"`
}

// TokenConfig is one token: Value or SHA256 is set.
type TokenConfig struct {
	Name    string        `hcl:"name,label"`       // of the identity
	Value   engine.Secret `hcl:"value,optional"`   // the token itself
	SHA256  engine.Secret `hcl:"sha256,optional"`  // or its SHA-256 in hexadecimal, so that the token is nowhere but with its owner
	IDs     []string      `hcl:"ids,optional"`     // as in Identity
	Expires string        `hcl:"expires,optional"` // as in RFC 3339; empty: never
}

// Identity is who a client is.
type Identity struct {
	// Name is the Sender of its messages.
	Name string

	// IDs are the ids that it may send to; one that ends in * stands for all that
	// begin so. nil: every id; empty, but not nil: none.
	IDs []string

	// Expires is when its connections are closed. The zero Time: never.
	Expires time.Time
}

func defaultServerConfig(listen, path string) ServerConfig {
	return ServerConfig{Listen: listen, Path: path, Origins: []string{}, TrustedProxies: []string{}}
}

// clone copies what the configuration points to.
func (c ServerConfig) clone() ServerConfig {
	c.Origins, c.TrustedProxies = slices.Clone(c.Origins), slices.Clone(c.TrustedProxies)
	if c.TLS != nil {
		files := *c.TLS
		c.TLS = &files
	}
	if c.Auth != nil {
		auth := *c.Auth
		auth.Tokens = slices.Clone(auth.Tokens)
		for i, t := range auth.Tokens {
			auth.Tokens[i].IDs = slices.Clone(t.IDs)
		}
		c.Auth = &auth
	}
	return c
}

// checker collects the faults of a configuration.
type checker func(ok bool, option, format string, args ...any)

// validate reports every fault of the settings themselves. What is in the files
// that they name is looked at when they are read.
func (c ServerConfig) validate(check checker) {
	if c.Listen != "" {
		_, port, err := net.SplitHostPort(c.Listen)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		check(err == nil, "listen", "must be an address and a port like 127.0.0.1:7001, not %q", c.Listen)
	}
	check(strings.HasPrefix(c.Path, "/") && !strings.ContainsAny(c.Path, "?#% \t\r\n"),
		"path", "must begin with / and hold no space, ?, # or %%, not %q", c.Path)
	for _, text := range c.Origins {
		_, err := parseOrigin(text)
		check(err == nil, "origins", "%v", err)
	}
	for _, text := range c.TrustedProxies {
		_, err := parseProxy(text)
		check(err == nil, "trusted_proxies", "%v", err)
	}
	check(c.MaxConnections >= 0, "max_connections", "must not be negative, not %d", c.MaxConnections)
	check(c.MaxConnectionsPerAddress >= 0, "max_connections_per_address", "must not be negative, not %d", c.MaxConnectionsPerAddress)
	if c.TLS != nil {
		check(c.TLS.Cert != "", "tls.cert", "must name a file")
		check(c.TLS.Key != "", "tls.key", "must name a file")
	}
	if c.Auth != nil {
		check(c.Authenticate == nil, "auth", "%s", bothAuth)
		c.Auth.validate(check)
	}
}

const bothAuth = "cannot be set where the host program authenticates by itself"

func (c AuthConfig) validate(check checker) {
	check(len(c.Tokens) > 0 || c.File != "", "auth", "has no tokens: name a file of them, or add token \"NAME\" { value = ... }")
	seen := map[[sha256.Size]byte]string{}
	for _, t := range c.Tokens {
		at := func(setting string) string { return "auth.token." + t.Name + "." + setting }
		check(validName(t.Name), "auth.token."+t.Name, "%s", badName)
		check((t.Value == "") != (t.SHA256 == ""), at("value"), "a token has either value or sha256, and it is not empty")
		if t.Value != "" {
			check(validToken(string(t.Value)), at("value"), "%s", badToken)
		}
		if t.SHA256 != "" {
			_, ok := hexDigest(string(t.SHA256))
			check(ok, at("sha256"), "%s", badDigest)
		}
		if _, err := t.expires(); err != nil {
			check(false, at("expires"), "must be a time like 2027-01-31T00:00:00Z, not %q", t.Expires)
		}
		check(t.IDs == nil || len(t.IDs) > 0, at("ids"), "is empty: leave it out for every id")
		for _, id := range t.IDs {
			check(validIDPattern(id), at("ids"), "%s, not %q", badIDPattern, id)
		}
		if digest, ok := t.digest(); ok {
			other, twice := seen[digest]
			check(!twice, at("value"), "is the token of %q too", other)
			seen[digest] = t.Name
		}
	}
}

// checking gives a checker that appends to errs.
func checking(errs *[]error) checker {
	return func(ok bool, option, format string, args ...any) {
		if !ok {
			*errs = append(*errs, &engine.OptionError{Option: option, Problem: fmt.Sprintf(format, args...)})
		}
	}
}

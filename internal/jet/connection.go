package jet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/outbound"
)

// Connection says how to reach NATS, and as whom. At most one of User, Token,
// NKeyFile and CredentialsFile is set. Start from [DefaultConnection].
type Connection struct {
	// URL are servers of one cluster; those that they know of are found out. With
	// tls:// or wss:// the connection is encrypted, and wherever the server demands
	// it. They are secrets, for there may be a password in one.
	URL URLs `hcl:"url,optional"`

	User     string        `hcl:"user,optional"`
	Password engine.Secret `hcl:"password,optional"`

	// Token is a token instead of a user.
	Token engine.Secret `hcl:"token,optional"`

	// NKeyFile holds the seed of an nkey.
	NKeyFile string `hcl:"nkey_file,optional"`

	// CredentialsFile holds a JWT and a seed, as nsc makes it. It is read for each
	// connection, so that it can be renewed without a restart.
	CredentialsFile string `hcl:"credentials_file,optional"`

	// TLS says whom to trust, and what certificate to show; the connection is then
	// encrypted, whatever the scheme of the URL. nil: the roots of the system.
	TLS *outbound.TLS `hcl:"tls,block"`

	// ConnectTimeout is how long it may take to connect to one server.
	ConnectTimeout time.Duration `hcl:"connect_timeout,optional"`
}

// URLs are those of servers. They are secrets.
type URLs []engine.Secret

// UnmarshalText takes several with commas between them, as clients of NATS do.
func (u *URLs) UnmarshalText(text []byte) error {
	*u = nil
	for url := range strings.SplitSeq(string(text), ",") {
		*u = append(*u, engine.Secret(strings.TrimSpace(url)))
	}
	return nil
}

// DefaultConnection is to a server on this machine that asks for nothing.
func DefaultConnection() Connection {
	return Connection{URL: URLs{nats.DefaultURL}, ConnectTimeout: 5 * time.Second}
}

// Validate reports every fault at once, each as an [engine.OptionError], joined.
func (c Connection) Validate() error {
	var errs []error
	check := func(ok bool, option, format string, args ...any) {
		if !ok {
			errs = append(errs, &engine.OptionError{Option: option, Problem: fmt.Sprintf(format, args...)})
		}
	}
	check(len(c.URL) > 0, "url", "is missing: it says which server to connect to, as in \"nats://127.0.0.1:4222\"")
	user, plain, web := false, false, false
	for i, text := range c.URL {
		u, problem := parseURL(string(text))
		check(problem == "", "url", "%s", problem)
		check(!slices.Contains(c.URL[:i], text), "url", "one is there twice")
		if problem == "" {
			user = user || u.User != nil
			web = web || strings.HasPrefix(u.Scheme, "ws")
			plain = plain || !strings.HasPrefix(u.Scheme, "ws")
		}
	}
	check(!plain || !web, "url", "must be all with nats:// and tls://, or all with ws:// and wss://")
	ways := 0
	for _, set := range []bool{user, c.User != "", c.Token != "", c.NKeyFile != "", c.CredentialsFile != ""} {
		if set {
			ways++
		}
	}
	check(ways <= 1, "user", "and token, nkey_file, credentials_file, and a user in a URL are different ways to say who connects: set one")
	check(c.Password == "" || c.User != "", "password", "is set without a user")
	if c.TLS != nil {
		check((c.TLS.Cert == "") == (c.TLS.Key == ""), "tls.cert", "and key belong together: set both")
	}
	check(c.ConnectTimeout > 0, "connect_timeout", "must be positive, not %v", c.ConnectTimeout)
	return errors.Join(errs...)
}

// parseURL reads the URL of a server. What is wrong with it is told without it.
func parseURL(text string) (u *url.URL, problem string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme):
		return nil, "must be nats:// or tls:// (or ws://, wss://) with a host, and what is special in a user or password written as %xx"
	case u.RawQuery != "" || u.Fragment != "":
		return nil, "must have no ? and # in it"
	}
	return u, ""
}

// CheckFiles reads the files that c names. Faults are those that cannot be used,
// doubts what an operator may not have meant; both are [engine.OptionError]s,
// joined. No secret is in them.
func (c Connection) CheckFiles() (faults, doubts error) {
	faults = c.TLS.CheckFiles()
	for _, file := range []struct {
		option, name string
		use          func(string) error
	}{
		{"nkey_file", c.NKeyFile, func(name string) error { _, err := nats.NkeyOptionFromSeed(name); return err }},
		{"credentials_file", c.CredentialsFile, checkCredentials},
	} {
		if file.name == "" {
			continue
		}
		if _, err := os.ReadFile(file.name); err != nil {
			faults = errors.Join(faults, &engine.OptionError{Option: file.option, Problem: fmt.Sprintf("cannot be read: %v", err)})
		} else if file.use(file.name) != nil { // which may quote the seed
			faults = errors.Join(faults, &engine.OptionError{Option: file.option, Problem: "cannot be used: what should be in it is not there, or broken"})
		}
		if info, err := os.Stat(file.name); err == nil && info.Mode().Perm()&0o004 != 0 {
			doubts = errors.Join(doubts, &engine.OptionError{
				Option: file.option, Problem: "every user of this machine can read the seed: chmod 600 " + file.name,
			})
		}
	}
	return faults, doubts
}

// checkCredentials tries what the handshake will do with the file.
func checkCredentials(name string) error {
	var o nats.Options
	if err := nats.UserCredentials(name)(&o); err != nil {
		return err
	}
	token, err := o.UserJWT()
	switch {
	case err != nil:
		return err
	case strings.Count(token, ".") != 2: // where there is none, it is all that is in the file
		return errors.New("no JWT")
	}
	_, err = o.SignatureCB([]byte("nonce"))
	return err
}

// Hosts are the servers, without what is secret.
func (c Connection) Hosts() string {
	var hosts []string
	for _, text := range c.URL {
		if u, problem := parseURL(string(text)); problem == "" {
			hosts = append(hosts, u.Host)
		}
	}
	return strings.Join(hosts, ",")
}

// SharesServer tells whether both name a server in common.
func (c Connection) SharesServer(other Connection) bool {
	theirs := strings.Split(other.Hosts(), ",")
	return slices.ContainsFunc(strings.Split(c.Hosts(), ","), func(host string) bool { return slices.Contains(theirs, host) })
}

// Dial connects, under a name that the server shows. The connection is made again
// for ever once it is lost, also after the server refused who connects: credentials
// are renewed, on either side. It buffers nothing meanwhile: what is published
// fails at once. log hears when it is lost, cannot be made, and is back.
func (c Connection) Dial(ctx context.Context, name string, log hclog.Logger) (*nats.Conn, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = hclog.NewNullLogger()
	}
	d := &dialer{Dialer: net.Dialer{Timeout: c.ConnectTimeout}, ctx: ctx}
	t := &teller{log: log}
	options := []nats.Option{
		nats.Name(name),
		nats.Timeout(c.ConnectTimeout),
		nats.SetCustomDialer(d),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(500*time.Millisecond, 500*time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(10 * time.Second),
		nats.DisconnectErrHandler(t.lost),
		nats.ReconnectErrHandler(t.failed),
		nats.ReconnectHandler(t.back),
		nats.ErrorHandler(t.error),
	}
	who, err := c.who()
	if err != nil {
		return nil, err
	}
	options = append(options, who...)
	options = append(options, c.encryption()...)
	var urls []string
	for _, u := range c.URL {
		urls = append(urls, string(u))
	}
	nc, err := nats.Connect(strings.Join(urls, ","), options...)
	switch {
	case !d.opened() && ctx.Err() != nil:
		if nc != nil {
			nc.Close()
		}
		return nil, ctx.Err()
	case err != nil:
		return nil, Classify(fmt.Errorf("connect: %w", d.explain(err)))
	}
	return nc, nil
}

func (c Connection) who() ([]nats.Option, error) {
	switch {
	case c.User != "":
		return []nats.Option{nats.UserInfo(c.User, string(c.Password))}, nil
	case c.Token != "":
		return []nats.Option{nats.Token(string(c.Token))}, nil
	case c.NKeyFile != "":
		option, err := nats.NkeyOptionFromSeed(c.NKeyFile)
		if err != nil {
			return nil, engine.Blocked(fmt.Errorf("nkey_file %s: there is no seed of a user in it, or it cannot be read", c.NKeyFile))
		}
		return []nats.Option{option}, nil
	case c.CredentialsFile != "":
		return []nats.Option{nats.UserCredentials(c.CredentialsFile)}, nil
	}
	return nil, nil
}

// encryption gives the options by which the files are read for each handshake.
func (c Connection) encryption() []nats.Option {
	if c.TLS == nil {
		return nil
	}
	var pair nats.TLSCertHandler
	if c.TLS.Cert != "" {
		files := outbound.TLS{Cert: c.TLS.Cert, Key: c.TLS.Key}
		pair = func() (tls.Certificate, error) {
			config, err := files.Load()
			if err != nil {
				return tls.Certificate{}, err
			}
			return config.Certificates[0], nil
		}
	}
	var roots nats.RootCAsHandler
	if c.TLS.CA != "" {
		files := outbound.TLS{CA: c.TLS.CA}
		roots = func() (*x509.CertPool, error) {
			config, err := files.Load()
			if err != nil {
				return nil, err
			}
			return config.RootCAs, nil
		}
	}
	options := []nats.Option{nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.TLS.ServerName})}
	if pair != nil || roots != nil {
		options = append(options, nats.ClientTLSConfig(pair, roots))
	}
	return options
}

package transport

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"reflect"
)

// files are those that a configuration names, as they were read.
type files struct {
	tokens, cert, key, ca []byte
	exposed               bool // every user can read the tokens
}

func readFiles(c *ServerConfig) (f files, err error) {
	read := func(into *[]byte, name string) {
		if name != "" && err == nil {
			*into, err = os.ReadFile(name)
		}
	}
	if c.Auth != nil {
		read(&f.tokens, c.Auth.File)
		f.exposed = exposed(c.Auth.File)
	}
	if c.TLS != nil {
		read(&f.cert, c.TLS.Cert)
		read(&f.key, c.TLS.Key)
		read(&f.ca, c.TLS.ClientCA)
	}
	return f, err
}

func (f *files) same(o *files) bool {
	return bytes.Equal(f.tokens, o.tokens) && bytes.Equal(f.cert, o.cert) && bytes.Equal(f.key, o.key) && bytes.Equal(f.ca, o.ca)
}

// certs is what handshakes of TLS are made with.
type certs struct{ config *tls.Config }

func newCerts(c *TLSConfig, f *files) (*certs, error) {
	pair, err := tls.X509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", c.Cert, c.Key, err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"}, // a websocket cannot be had of HTTP/2
	}
	if c.ClientCA != "" {
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(f.ca) {
			return nil, fmt.Errorf("%s: %w", c.ClientCA, errors.New("there is no certificate in it"))
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
		// A resumed session would not be asked for a certificate of the roots that are
		// in effect now.
		config.SessionTicketsDisabled = true
	}
	return &certs{config}, nil
}

// sameRules tells whether two configurations of one server make the same rules of
// the same files.
func sameRules(a, b *ServerConfig) bool {
	return reflect.DeepEqual(a.Origins, b.Origins) && a.RequireOrigin == b.RequireOrigin &&
		reflect.DeepEqual(a.TrustedProxies, b.TrustedProxies) &&
		a.MaxConnections == b.MaxConnections && a.MaxConnectionsPerAddress == b.MaxConnectionsPerAddress &&
		reflect.DeepEqual(a.TLS, b.TLS) && reflect.DeepEqual(a.Auth, b.Auth)
}

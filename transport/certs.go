package transport

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"time"

	"github.com/ingestd/ingestd/internal/seedbug"
)

// files are those that a configuration names, as they were read.
type files struct {
	tokens, cert, key, ca []byte
	exposed               bool      // every user can read the tokens
	written               time.Time // the last of them
}

// settled is how old a file must be for nobody to be still writing it.
const settled = 2 * time.Second

// fresh tells whether somebody may be still writing one of them.
func (f *files) fresh(now time.Time) bool {
	age := now.Sub(f.written)
	return 0 <= age && age < settled
}

func readFiles(c *ServerConfig) (f files, err error) {
	read := func(into *[]byte, name string) {
		if name == "" || err != nil {
			return
		}
		if *into, err = os.ReadFile(name); err != nil {
			return
		}
		if info, err := os.Stat(name); err == nil && info.ModTime().After(f.written) {
			f.written = info.ModTime()
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

// accepts tells whether what the client showed in the handshake would be enough now.
// It is looked at again when the roots have been.
func (r *rules) accepts(p *pass, now time.Time) bool {
	if p.socket == nil || r.certs == nil || r.certs.config.ClientCAs == nil || p.socket.verified.Load() == r.certs {
		return true
	}
	if len(p.chain) == 0 {
		return false
	}
	between := x509.NewCertPool()
	for _, c := range p.chain[1:] {
		between.AddCert(c)
	}
	_, err := p.chain[0].Verify(x509.VerifyOptions{
		Roots: r.certs.config.ClientCAs, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil && !seedbug.Is("gate-roots-stay") {
		return false
	}
	p.socket.verified.Store(r.certs)
	return true
}

// checkCertificate refuses a request on a connection whose certificate would not be
// accepted any more, and takes the sender's name from it.
func (r *rules) checkCertificate(req *http.Request, p *pass) *refusal {
	if req.TLS == nil || p.socket == nil || r.certs == nil || r.certs.config.ClientCAs == nil {
		return nil
	}
	p.chain = req.TLS.PeerCertificates
	if !r.accepts(p, time.Now()) {
		return &refusal{kind: refusedAuth, status: http.StatusUnauthorized, text: reasonNoCert}
	}
	p.sender = subjectOf(p.chain[0])
	return nil
}

// subjectOf is the name of a certificate's owner: its common name, or else the first
// other name that can be one; empty where none can.
func subjectOf(c *x509.Certificate) string {
	names := slices.Concat([]string{c.Subject.CommonName}, c.DNSNames, c.EmailAddresses)
	if i := slices.IndexFunc(names, validName); i >= 0 {
		return names[i]
	}
	return ""
}

// sameRules tells whether two configurations of one server make the same rules of
// the same files.
func sameRules(a, b *ServerConfig) bool {
	return reflect.DeepEqual(a.Origins, b.Origins) && a.RequireOrigin == b.RequireOrigin &&
		reflect.DeepEqual(a.TrustedProxies, b.TrustedProxies) &&
		a.MaxConnections == b.MaxConnections && a.MaxConnectionsPerAddress == b.MaxConnectionsPerAddress &&
		reflect.DeepEqual(a.TLS, b.TLS) && reflect.DeepEqual(a.Auth, b.Auth)
}

// Package outbound has the settings that all share who dial a connection.
package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/ingestd/ingestd/engine"
)

// Secrets are texts that are never shown.
type Secrets []engine.Secret

// UnmarshalText takes one.
func (s *Secrets) UnmarshalText(text []byte) error {
	*s = Secrets{engine.Secret(text)}
	return nil
}

// TLS is for connections that are dialled. The files are read for each connection,
// so that they can be renewed without a restart.
type TLS struct {
	CA         string `hcl:"ca,optional"`          // the roots, PEM; empty: those of the system
	Cert       string `hcl:"cert,optional"`        // a certificate of our own, PEM; empty: none is shown
	Key        string `hcl:"key,optional"`         // its private key, PEM
	ServerName string `hcl:"server_name,optional"` // the name that the server's certificate must have; empty: that of the URL
}

// Load reads the files. Of nil it is the configuration without any.
func (c *TLS) Load() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c == nil {
		return config, nil
	}
	config.ServerName = c.ServerName
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: there is no certificate in it", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("%s and %s: %w", c.Cert, c.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// CheckFiles reads the files and tells which cannot be used, each as an
// [engine.OptionError] below "tls", joined.
func (c *TLS) CheckFiles() error {
	if c == nil {
		return nil
	}
	var faults error
	for _, file := range []struct{ option, name string }{{"tls.ca", c.CA}, {"tls.cert", c.Cert}, {"tls.key", c.Key}} {
		if file.name == "" {
			continue
		}
		if _, err := os.ReadFile(file.name); err != nil {
			faults = errors.Join(faults, &engine.OptionError{Option: file.option, Problem: fmt.Sprintf("cannot be read: %v", err)})
		}
	}
	if faults == nil {
		if _, err := c.Load(); err != nil {
			faults = &engine.OptionError{Option: "tls", Problem: fmt.Sprintf("cannot be used: %v", err)}
		}
	}
	return faults
}

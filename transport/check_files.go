package transport

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// CheckFiles reads the files that c names, which opening a server does too. Faults
// are those that cannot be used; doubts are what an operator may not have meant: a
// file of tokens that every user of the machine can read, and tokens that have
// expired. Both are [engine.OptionError]s, joined; no secret is in them.
func (c ServerConfig) CheckFiles() (faults, doubts error) {
	var wrong, odd []error
	fault, doubt := checking(&wrong), checking(&odd)
	if c.TLS != nil {
		c.TLS.checkFiles(fault)
	}
	if c.Auth != nil {
		c.Auth.checkFiles(fault, doubt)
		for _, t := range c.Auth.Tokens {
			until, err := t.expires()
			doubt(err != nil || until.IsZero() || time.Now().Before(until), "auth.token."+t.Name+".expires",
				"the token has expired: nobody is let in with it")
		}
	}
	return errors.Join(wrong...), errors.Join(odd...)
}

func (c AuthConfig) checkFiles(fault, doubt checker) {
	if c.File == "" {
		return
	}
	text, err := os.ReadFile(c.File)
	if err != nil {
		fault(false, "auth.file", "cannot be read: %v", err)
		return
	}
	ts, err := newTokens(&c, text)
	if err != nil {
		fault(false, "auth.file", "cannot be used: %v", err)
		return
	}
	doubt(!ts.plain || !exposed(c.File), "auth.file", "every user of this machine can read the tokens: chmod 600 %s", c.File)
}

func (c TLSConfig) checkFiles(fault checker) {
	var f files
	readable := true
	for _, file := range []struct {
		option, name string
		into         *[]byte
	}{{"tls.cert", c.Cert, &f.cert}, {"tls.key", c.Key, &f.key}, {"tls.client_ca", c.ClientCA, &f.ca}} {
		if file.name != "" {
			text, err := os.ReadFile(file.name)
			fault(err == nil, file.option, "cannot be read: %v", err)
			*file.into, readable = text, readable && err == nil
		}
	}
	if readable && c.Cert != "" && c.Key != "" {
		_, err := newCerts(&c, &f)
		fault(err == nil, "tls.cert", "cannot be used: %v", err)
	}
}

// CheckFiles is that of [ServerConfig], for the files of a feed.
func (c WebSocketClientConfig) CheckFiles() (faults, doubts error) {
	return c.TLS.CheckFiles(), nil
}

// exposed tells whether every user of the machine can read a file.
func exposed(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().Perm()&0o004 != 0
}

// exposures are the files of tokens that the log has been told every user can read.
// Several servers may have the same one.
var exposures sync.Map

// warnExposed warns of a file of tokens that every user can read, once until that
// is mended.
func warnExposed(log hclog.Logger, name string, is bool) {
	if !is {
		exposures.Delete(name)
	} else if _, before := exposures.LoadOrStore(name, true); !before {
		log.Warn("the file of tokens can be read by every user of this machine", "file", name, "mend", "chmod 600 "+name)
	}
}

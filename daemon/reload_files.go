package daemon

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/transport"
)

// namedFiles are those that servers read again with a reload, by the setting that names
// each.
type namedFiles map[string]file

type file struct {
	name   string
	digest [sha256.Size]byte
}

// readNamed looks at the files that c names.
func readNamed(c *config) namedFiles {
	read := namedFiles{}
	add := func(setting, name string) {
		if text, err := os.ReadFile(name); err == nil { // who needs it has told of an error
			read[setting] = file{name, sha256.Sum256(text)}
		}
	}
	for _, t := range c.transports {
		if auth, _ := hclx.Get[*transport.AuthConfig](t.config, "auth"); auth != nil && auth.File != "" {
			add(t.path()+".auth.file", auth.File)
		}
		if tls, _ := hclx.Get[*transport.TLSConfig](t.config, "tls"); tls != nil {
			add(t.path()+".tls.cert", tls.Cert)
			add(t.path()+".tls.key", tls.Key)
			if tls.ClientCA != "" {
				add(t.path()+".tls.client_ca", tls.ClientCA)
			}
		}
	}
	return read
}

// changed lists the files that have other content than before, though the settings
// are the same.
func (f namedFiles) changed(before namedFiles) (list []string) {
	for setting, now := range f {
		if was, ok := before[setting]; ok && was.name == now.name && was.digest != now.digest {
			list = append(list, fmt.Sprintf("%s (%s)", now.name, setting))
		}
	}
	slices.Sort(list)
	return list
}

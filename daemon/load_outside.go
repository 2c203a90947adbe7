package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/engine"
)

// checkFiles reports what is wrong with the files that sink and transports name. What
// is to be said of one that several name is said once.
func (l *loader) checkFiles() {
	if b := l.sink; b != nil {
		faults, doubts := l.cfg.sink.files(l.cfg.sink.config)
		b.Report(faults)
		b.Warn(doubts)
	}
	said := map[string]bool{}
	for _, t := range l.cfg.transports {
		faults, doubts := t.files(t.config)
		l.blocks[t.path()].Report(faults)
		for _, doubt := range hclx.Flatten(doubts) {
			var option *engine.OptionError
			if errors.As(doubt, &option) && option.Option == "auth.file" && said[option.Problem] {
				continue
			} else if option != nil {
				said[option.Problem] = option.Option == "auth.file"
			}
			l.blocks[t.path()].Warn(doubt)
		}
	}
}

// port is where something listens.
type port struct {
	setting string // its path
	address string
	report  func(problem string)
}

// checkListeners reports those that cannot both have their address. Where only one
// of the two was configured, it is that one.
func (l *loader) checkListeners(top *hclx.Block) {
	reporting := func(b *hclx.Block, option string) func(string) {
		return func(problem string) { b.ReportOption(&engine.OptionError{Option: option, Problem: problem}) }
	}
	ports := []port{{"admin.listen", l.cfg.Admin.Listen, reporting(top, "admin.listen")}}
	for _, t := range l.cfg.transports {
		if listen, ok := hclx.Get[string](t.config, "listen"); ok {
			ports = append(ports, port{t.path() + ".listen", listen, reporting(l.blocks[t.path()], "listen")})
		}
	}
	for i, p := range ports {
		for _, o := range ports[:i] {
			if !sameAddress(p.address, o.address) {
				continue
			}
			if l.Origins().Of(p.setting) == hclx.Default && l.Origins().Of(o.setting) != hclx.Default {
				p, o = o, p
			}
			p.report(fmt.Sprintf("is taken by %s, which is %q", o.setting, o.address))
			break
		}
	}
}

// sameAddress tells whether nobody could listen on b while somebody listens on a.
func sameAddress(a, b string) bool {
	aHost, aPort, aErr := net.SplitHostPort(a)
	bHost, bPort, bErr := net.SplitHostPort(b)
	if aErr != nil || bErr != nil {
		return false
	}
	aNumber, aErr := net.LookupPort("tcp", aPort)
	bNumber, bErr := net.LookupPort("tcp", bPort)
	if aErr != nil || bErr != nil || aNumber != bNumber || aNumber == 0 {
		return false
	}
	return everyAddress(aHost, bHost) || everyAddress(bHost, aHost) || loopback(aHost) == loopback(bHost)
}

// everyAddress tells whether host stands for every address of the machine, and other
// is one of them: 0.0.0.0 is those of IPv4.
func everyAddress(host, other string) bool {
	if host == "" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsUnspecified() {
		return false
	}
	o, err := netip.ParseAddr(other)
	return ip.Is6() || err != nil || o.Is4() || o.IsUnspecified()
}

// loopback gives a host, with the name of the usual loopback address as that.
func loopback(host string) string {
	if host == "localhost" {
		return "127.0.0.1"
	}
	return host
}

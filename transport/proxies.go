package transport

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// parseProxy reads an address, or a network in CIDR notation.
func parseProxy(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("must be addresses or networks like 10.0.0.0/8 or fd00::/8, not %q", text)
	}
	return p.Masked(), nil
}

// origination is where a request comes from.
type origination struct {
	remote  string     // as messages have it
	address netip.Addr // by which it is counted; invalid where it has none, as on a Unix socket
	proxied bool       // a trusted proxy sends it
}

// clientOf tells whose request it is. Each proxy adds the address that it was
// connected from at the end of X-Forwarded-For; so of those the last that is not a
// trusted proxy's is what a trusted proxy has seen, and what stands before it is
// what somebody claims.
func (r *rules) clientOf(req *http.Request) origination {
	peer, err := netip.ParseAddrPort(req.RemoteAddr)
	o := origination{remote: req.RemoteAddr}
	if err != nil {
		return o
	}
	at := peer.Addr().Unmap()
	if r.trusts(at) {
		o.proxied = true
		forwarded := strings.Split(strings.Join(req.Header.Values("X-Forwarded-For"), ","), ",")
		for i := len(forwarded) - 1; i >= 0 && r.trusts(at); i-- {
			a, ok := forwardedAddr(strings.TrimSpace(forwarded[i]))
			if !ok {
				break
			}
			at, o.remote = a, a.String()
		}
	}
	o.address = countedAs(at)
	return o
}

func (r *rules) trusts(a netip.Addr) bool {
	for _, p := range r.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// forwardedAddr reads an address; some proxies add the port.
func forwardedAddr(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

// countedAs gives what stands for a where connections of one address are counted:
// whoever has one address of IPv6 has 2^64 of them.
func countedAs(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// Package listen binds ports as people mean it.
package listen

import (
	"net"
	"net/netip"
)

// On binds a port. 0.0.0.0 is IPv4 alone: it would open IPv6 too, which nobody
// expects of it. The error says all there is: listen tcp
// 127.0.0.1:7001: bind: ...
func On(address string) (net.Listener, error) {
	host, _, _ := net.SplitHostPort(address)
	if ip, err := netip.ParseAddr(host); err == nil && ip == netip.IPv4Unspecified() {
		return net.Listen("tcp4", address)
	}
	return net.Listen("tcp", address)
}

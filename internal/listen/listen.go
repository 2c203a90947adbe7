// Package listen binds ports as people mean it.
package listen

import (
	"net"
	"net/netip"
)

// On binds a port. An address of IPv4 is of IPv4 alone: 0.0.0.0 would open IPv6 too,
// which nobody expects of it. The error says all there is: listen tcp
// 127.0.0.1:7001: bind: ...
func On(address string) (net.Listener, error) {
	host, _, _ := net.SplitHostPort(address)
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return net.Listen("tcp4", address)
	}
	return net.Listen("tcp", address)
}

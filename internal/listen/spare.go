package listen

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Spare finds n addresses of this machine where nobody listens. They are not among
// the ports that the system gives to connections, so that each stays free while
// the program that is to listen there is down.
func Spare(n int) ([]string, error) {
	var addresses []string
	for range 100 * n {
		if len(addresses) == n {
			break
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(12_000)))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // not before all are found: none is found twice
		addresses = append(addresses, address)
	}
	if len(addresses) < n {
		return nil, fmt.Errorf("find %d free ports: there are %d", n, len(addresses))
	}
	return addresses, nil
}

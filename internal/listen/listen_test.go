package listen_test

import (
	"net"
	"testing"

	"github.com/ingestd/ingestd/internal/listen"
)

// 0.0.0.0 does not open IPv6; a name, and no host at all, open what they stand for.
func TestOn(t *testing.T) {
	for address, four := range map[string]bool{"0.0.0.0:0": true, "127.0.0.1:0": true, ":0": false} {
		l, err := listen.On(address)
		if err != nil {
			t.Fatal(err)
		}
		ip := l.Addr().(*net.TCPAddr).IP
		if is := ip.To4() != nil; is != four {
			t.Errorf("%s listens on %v", address, ip)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := listen.On("nonsense"); err == nil {
		t.Error("an address without a port is bound")
	}
}

// What is spare can be bound, again and again, and is none of the system's own
// choice.
func TestSpare(t *testing.T) {
	addresses, err := listen.Spare(20)
	if err != nil || len(addresses) != 20 {
		t.Fatal(addresses, err)
	}
	seen := make(map[string]bool)
	for _, address := range addresses {
		for range 2 {
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			if port := l.Addr().(*net.TCPAddr).Port; port < 20_000 || port >= 32_000 {
				t.Errorf("%s could be a connection's", address)
			}
			_ = l.Close()
		}
		seen[address] = true
	}
	if len(seen) != 20 {
		t.Errorf("one is twice in %v", addresses)
	}
}

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

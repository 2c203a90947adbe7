package transport

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// What a proxy says of its clients counts only where the proxy is trusted, and of
// what it forwards only what trusted proxies have seen themselves.
func TestForwarded(t *testing.T) {
	var r rules
	for _, text := range []string{"10.0.0.0/8", "192.168.1.2", "fd00::/8"} {
		p, err := parseProxy(text)
		if err != nil {
			t.Fatal(err)
		}
		r.proxies = append(r.proxies, p)
	}
	for _, c := range []struct {
		peer      string
		forwarded []string
		remote    string
		address   string
		proxied   bool
	}{
		{"203.0.113.7:5000", nil, "203.0.113.7:5000", "203.0.113.7", false},
		{"203.0.113.7:5000", []string{"1.2.3.4"}, "203.0.113.7:5000", "203.0.113.7", false}, // spoofed
		{"192.168.1.3:5000", []string{"1.2.3.4"}, "192.168.1.3:5000", "192.168.1.3", false},
		{"10.1.2.3:5000", []string{"1.2.3.4"}, "1.2.3.4", "1.2.3.4", true},
		{"192.168.1.2:5000", []string{"1.2.3.4"}, "1.2.3.4", "1.2.3.4", true},
		{"[::ffff:10.1.2.3]:5000", []string{"1.2.3.4"}, "1.2.3.4", "1.2.3.4", true},
		{"10.1.2.3:5000", []string{"9.9.9.9, 1.2.3.4"}, "1.2.3.4", "1.2.3.4", true}, // the client wrote the first itself
		{"10.1.2.3:5000", []string{"9.9.9.9", "1.2.3.4"}, "1.2.3.4", "1.2.3.4", true},
		{"10.1.2.3:5000", []string{"9.9.9.9, 1.2.3.4, 10.9.9.9, 192.168.1.2"}, "1.2.3.4", "1.2.3.4", true},
		{"10.1.2.3:5000", []string{"10.0.0.1, 10.0.0.2"}, "10.0.0.1", "10.0.0.1", true}, // all ours
		{"10.1.2.3:5000", nil, "10.1.2.3:5000", "10.1.2.3", true},
		{"10.1.2.3:5000", []string{""}, "10.1.2.3:5000", "10.1.2.3", true},
		{"10.1.2.3:5000", []string{"unknown"}, "10.1.2.3:5000", "10.1.2.3", true},
		{"10.1.2.3:5000", []string{"1.2.3.4, unknown"}, "10.1.2.3:5000", "10.1.2.3", true},
		{"10.1.2.3:5000", []string{"1.2.3.4, unknown, 10.0.0.1"}, "10.0.0.1", "10.0.0.1", true},
		{"10.1.2.3:5000", []string{"1.2.3.4:4711"}, "1.2.3.4", "1.2.3.4", true},
		{"10.1.2.3:5000", []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", true},
		{"10.1.2.3:5000", []string{"[2001:db8:1:2:3:4:5:6]:4711"}, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", true},
		{"[fd12::1]:5000", []string{"::ffff:1.2.3.4"}, "1.2.3.4", "1.2.3.4", true},
		{"[2001:db8::9%eth0]:5000", nil, "[2001:db8::9%eth0]:5000", "2001:db8::", false},
		{"10.1.2.3:5000", []string{"1.2.3.4\n evil"}, "10.1.2.3:5000", "10.1.2.3", true},
		{"@", []string{"1.2.3.4"}, "@", "", false}, // a Unix socket
	} {
		got := r.clientOf(&http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}})
		address := ""
		if got.address.IsValid() {
			address = got.address.String()
		}
		if got.remote != c.remote || address != c.address || got.proxied != c.proxied {
			t.Errorf("%s, %q: %+v", c.peer, c.forwarded, got)
		}
	}
	for text, ok := range map[string]bool{
		"10.0.0.0/8": true, "10.1.2.3/8": true, "::1": true, "fd00::/8": true, "0.0.0.0/0": true,
		"": false, "localhost": false, "10.0.0.0/33": false, "::ffff:10.0.0.0/104": false, "fe80::1%eth0": false,
	} {
		if _, err := parseProxy(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	if p, _ := parseProxy("::ffff:10.0.0.1"); !p.Contains(netip.MustParseAddr("10.0.0.1")) {
		t.Error("an address of IPv4 that is written as one of IPv6")
	}
}

// The forwarded address is the Remote of messages, is in the log, and limits go by
// it; one that a client makes up is not.
func TestBehindAProxy(t *testing.T) {
	log := &logged{}
	for _, trusted := range []bool{true, false} {
		s := serve(t, func(c *WebSocketConfig) {
			c.MaxConnectionsPerAddress = 2
			c.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: log})
			if trusted {
				c.TrustedProxies = []string{"127.0.0.0/8"}
			}
		})
		var last *client
		codes := ""
		for _, from := range []string{"1.1.1.1", "1.1.1.1", "1.1.1.1", "2.2.2.2", "2001:db8::1", "2001:db8::2", "2001:db8::3"} {
			c, status := s.dialWith(http.Header{"X-Forwarded-For": {"6.6.6.6, " + from}})
			if c != nil {
				last = c
			}
			codes += " " + http.StatusText(status)
		}
		busy, up := " "+http.StatusText(http.StatusServiceUnavailable), " "+http.StatusText(http.StatusSwitchingProtocols)
		want := up + up + busy + up + up + up + busy
		if !trusted {
			want = up + up + strings.Repeat(busy, 5)
		}
		if codes != want {
			t.Errorf("trusted %v: answered%s, want%s", trusted, codes, want)
		}
		last.send(`{"id":1,"seq":1}`)
		last.expect(`{"op":"ack","id":1,"seq":1}`)
		if m := s.router.Messages()[0]; trusted && m.Remote != "2001:db8::2" || !trusted && !strings.HasPrefix(m.Remote, "127.0.0.1:") {
			t.Errorf("trusted %v: it came from %q", trusted, m.Remote)
		}
	}
	if text := log.String(); !strings.Contains(text, "remote=1.1.1.1") || strings.Contains(text, "6.6.6.6") {
		t.Errorf("the log:\n%s", text)
	}
}

package transport

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// A port that others can reach without authentication or TLS is told loudly.
func TestAnnounce(t *testing.T) {
	ca := newAuthority(t)
	const nobody, clear = "there is no authentication", "there is no TLS"
	for name, c := range map[string]struct {
		change func(*WebSocketConfig)
		want   []string
	}{
		"loopback":          {func(*WebSocketConfig) {}, nil},
		"loopback by name":  {func(c *WebSocketConfig) { c.Listen = "localhost:0" }, nil},
		"everywhere":        {func(c *WebSocketConfig) { c.Listen = "0.0.0.0:0" }, []string{nobody, clear}},
		"everywhere, short": {func(c *WebSocketConfig) { c.Listen = ":0" }, []string{nobody, clear}},
		"tokens":            {func(c *WebSocketConfig) { c.Listen = ":0"; c.Auth = testAuth(t) }, []string{clear}},
		"a hook": {func(c *WebSocketConfig) {
			c.Listen = ":0"
			c.Authenticate = func(*http.Request) (Identity, error) { return Identity{}, nil }
		}, []string{clear}},
		"behind a proxy":     {func(c *WebSocketConfig) { c.Listen = ":0"; c.TrustedProxies = []string{"10.0.0.0/8"} }, []string{nobody}},
		"TLS":                {func(c *WebSocketConfig) { c.Listen = ":0"; c.TLS = ca.server(t) }, []string{nobody}},
		"TLS of clients too": {func(c *WebSocketConfig) { c.Listen = ":0"; c.TLS = ca.server(t); c.TLS.ClientCA = ca.file("ca.pem") }, nil},
		"TLS and tokens":     {func(c *WebSocketConfig) { c.Listen = ":0"; c.TLS = ca.server(t); c.Auth = testAuth(t) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			log := &logged{}
			s := serve(t, func(w *WebSocketConfig) {
				c.change(w)
				w.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: log, DisableTime: true})
			})
			s.drain()
			s.waitServed()
			if n := strings.Count(log.String(), "[WARN]"); n != len(c.want) {
				t.Errorf("%d warnings:\n%s", n, log)
			}
			for _, want := range c.want {
				if !strings.Contains(log.String(), want) {
					t.Errorf("it does not say that %s:\n%s", want, log)
				}
			}
		})
	}
}

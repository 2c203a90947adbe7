package transport

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// origin is an entry of the list, or what a browser sends: where a page is from.
type origin struct {
	scheme, host, port string
	below              bool // every host below host
	any                bool // every page
}

// parseOrigin reads an entry of the list.
func parseOrigin(text string) (origin, error) {
	if text == "*" {
		return origin{any: true}, nil
	}
	scheme, rest, _ := strings.Cut(text, "://")
	rest, below := strings.CutPrefix(rest, "*.")
	o, ok := readOrigin(scheme + "://" + rest)
	if !ok || strings.Contains(rest, "*") {
		return o, fmt.Errorf(`must be like "https://app.example.com", "https://*.example.com", "http://localhost:8080" or "*", not %q`, text)
	}
	o.below = below
	return o, nil
}

// readOrigin reads what a browser sends. "null", of a page without an origin, is
// none.
func readOrigin(text string) (o origin, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || text != u.Scheme+"://"+u.Host && !strings.EqualFold(text, u.Scheme+"://"+u.Host) {
		return o, false
	}
	return origin{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Hostname()), port: portOr(u.Port(), u.Scheme)}, true
}

func portOr(port, scheme string) string {
	if port == "" {
		return map[string]string{"http": "80", "https": "443"}[strings.ToLower(scheme)]
	}
	return port
}

// allows tells whether a page from o is one of the entry's.
func (entry origin) allows(o origin) bool {
	return entry.any || entry.scheme == o.scheme && entry.port == o.port &&
		(entry.host == o.host && !entry.below || entry.below && strings.HasSuffix(o.host, "."+entry.host))
}

// checkOrigin refuses pages that may not connect. The websocket library's own
// check is switched off: it lets pass whatever has the same host, whatever its
// scheme, and any host at that in a request whose Host is forged.
func (r *rules) checkOrigin(req *http.Request, proxied bool) *refusal {
	refuse := func(reason string) *refusal {
		return &refusal{
			kind: refusedOrigin, status: http.StatusForbidden, reason: reason,
			text: "pages of this origin may not connect: the setting origins lists those that may",
		}
	}
	given := req.Header.Values("Origin")
	switch {
	case len(given) == 0 && r.requireOrigin:
		no := refuse("no origin")
		no.text = "an Origin header is required"
		return no
	case len(given) == 0:
		return nil
	case len(given) > 1:
		return refuse("several origins")
	}
	o, ok := readOrigin(given[0])
	if ok && sameHost(o, req, proxied) {
		return nil
	}
	for _, entry := range r.origins {
		if entry.any || ok && entry.allows(o) {
			return nil
		}
	}
	return refuse("origin " + given[0])
}

// sameHost tells whether o is a page of the host that req is sent to.
//
// Any name may be made to lead to this machine, and then a page of that name sends
// it as Host (DNS rebinding). Where the request comes from this machine itself, and
// not through a trusted proxy, the name must be one of this machine's.
func sameHost(o origin, req *http.Request, proxied bool) bool {
	if req.TLS != nil && o.scheme != "https" {
		return false
	}
	host, port, err := net.SplitHostPort(req.Host)
	if err != nil {
		host, port = strings.Trim(req.Host, "[]"), ""
	}
	if !strings.EqualFold(host, o.host) || portOr(port, o.scheme) != o.port {
		return false
	}
	at, local := req.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !local || !at.IP.IsLoopback() || proxied || req.TLS != nil {
		return true
	}
	_, err = netip.ParseAddr(host)
	return err == nil || o.host == "localhost" || strings.HasSuffix(o.host, ".localhost")
}

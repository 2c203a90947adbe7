package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// Access says who may ask for data. It can change while the server runs.
type Access struct {
	Token engine.Secret // empty: none is needed, and only this machine is let in
	Hosts []string      // further names of this server; who uses them needs the token
}

// guard decides who may ask for data, and change anything:
//
//   - The Host must be a name of this machine, an address, or one of Access.Hosts:
//     any other name may have been made to lead here (DNS rebinding).
//   - No page of another origin may ask for anything, not even to be refused an
//     answer that it cannot read.
//   - With a token, it must be shown, or a session that was begun with it.
//   - Without one, the server must listen on this machine alone, the Host must be
//     this machine, and no proxy may have passed the request on.
type guard struct {
	local  bool // the server listens on this machine alone
	cookie string
	rules  atomic.Pointer[rules]
}

// rules are an Access, ready for use.
type rules struct {
	needed bool
	token  string
	digest [sha256.Size]byte
	hosts  []string

	over context.Context // ends when another token is in effect
	end  context.CancelFunc
}

func newGuard(at net.Addr, a Access) *guard {
	g := &guard{}
	port := "0"
	if tcp, ok := at.(*net.TCPAddr); ok {
		g.local = tcp.IP.IsLoopback()
		port = fmt.Sprint(tcp.Port)
	}
	// Cookies know no ports: two daemons of one machine must not share one.
	g.cookie = "ingestd_session_" + port
	g.set(a)
	return g
}

func (g *guard) set(a Access) {
	hosts := make([]string, len(a.Hosts))
	for i, h := range a.Hosts {
		hosts[i] = strings.ToLower(h)
	}
	before := g.rules.Load()
	next := &rules{
		needed: a.Token != "", token: string(a.Token), digest: sha256.Sum256([]byte(a.Token)), hosts: hosts,
	}
	if before != nil && before.digest == next.digest {
		next.over, next.end = before.over, before.end
		g.rules.Store(next)
		return
	}
	next.over, next.end = context.WithCancel(context.Background())
	g.rules.Store(next)
	if before != nil {
		before.end()
	}
}

// refusal is why a request is not let in.
type refusal struct {
	status int
	text   string
}

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// enter lets a request in, or refuses it.
func (g *guard) enter(r *http.Request) *refusal {
	if no := g.door(r); no != nil {
		return no
	}
	return g.shown(r)
}

// shown looks at the token alone, or at the session that was begun with it.
func (g *guard) shown(r *http.Request) *refusal {
	rules := g.rules.Load()
	if !rules.needed || g.hasSession(rules, r) {
		return nil
	}
	shown, ok := bearer(r)
	if !ok {
		return refuse(http.StatusUnauthorized, "a token is needed: send it as Authorization: Bearer TOKEN")
	}
	return rules.check(shown)
}

// door looks at everything but the token.
func (g *guard) door(r *http.Request) *refusal {
	if no := sameOrigin(r); no != nil {
		return no
	}
	return g.place(r)
}

// place looks at where a request was sent to, and by which way.
func (g *guard) place(r *http.Request) *refusal {
	rules := g.rules.Load()
	name := hostOf(r.Host)
	named := slices.Contains(rules.hosts, name)
	switch {
	case !isLocal(name) && !isAddress(name) && !named && !seedbug.Is("admin-any-host"):
		return refuse(http.StatusForbidden,
			"%q is no name of this server that it knows: add it to hosts of admin { }, or use its address", name)
	case rules.needed:
		return nil
	case !g.local:
		return refuse(http.StatusForbidden,
			"the server listens on more than this machine, and has no token: set token in admin { }, or listen on 127.0.0.1")
	case !isLocal(name):
		return refuse(http.StatusForbidden, "under this name a token is needed: set token in admin { }, or use 127.0.0.1")
	case proxied(r):
		return refuse(http.StatusForbidden, "through a proxy a token is needed: set token in admin { }")
	}
	return nil
}

// check compares a token that is shown with ours. Guessing is not slowed down: what
// has 16 characters is not guessed, and who slows down an address slows down all
// behind the same proxy.
func (r *rules) check(shown string) *refusal {
	digest := sha256.Sum256([]byte(shown))
	if subtle.ConstantTimeCompare(digest[:], r.digest[:]) != 1 {
		return refuse(http.StatusUnauthorized, "the token is not the right one")
	}
	return nil
}

func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// sameOrigin refuses what a page of another origin sends. Browsers say where a
// request comes from in Sec-Fetch-Site; older ones in Origin, where it is not a
// plain GET.
func sameOrigin(r *http.Request) *refusal {
	other := refuse(http.StatusForbidden, "pages of other origins may not ask for anything here")
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return other
	}
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return other
		}
	}
	return nil
}

// hostOf is the name in a Host header, without its port.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func isLocal(name string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		return a.Unmap().IsLoopback()
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// proxied tells whether a proxy says that it has passed the request on.
func proxied(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

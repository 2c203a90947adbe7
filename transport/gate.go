package transport

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
	"github.com/ingestd/ingestd/internal/seldom"
)

// gate is what every request to a server passes before anything else happens:
// whose address it has, whether there is room, which page it comes from, and who
// sends it. What it refuses has cost a request, and no connection.
type gate struct {
	log      hclog.Logger
	sockets  *sockets
	listener net.Listener // nil: no port of its own
	secure   bool         // it is one of TLS
	path     string
	rules    atomic.Pointer[rules]
	turned   refusals
	places   places

	mu     sync.Mutex // held while rules are made
	config ServerConfig
	files  files // what they were made of
	fault  string
}

// rules are the settings that can change, ready for use. They are never changed:
// others take their place.
type rules struct {
	origins       []origin
	requireOrigin bool
	proxies       []netip.Prefix
	most, each    int // connections, and those of one address; 0: no limit of ours
	tokens        *tokens
	query         bool // a token may be in the query
	authenticate  func(*http.Request) (Identity, error)
	certs         *certs // nil: no TLS
}

// openGate makes the gate of a validated configuration and binds its port.
func openGate(c ServerConfig) (*gate, error) {
	g, err := newGate(c)
	if err != nil {
		return nil, err
	}
	return g, g.listen()
}

// newGate makes the gate of a validated configuration.
func newGate(c ServerConfig) (*gate, error) {
	g := &gate{log: c.Logger, sockets: c.sockets, secure: c.TLS != nil, path: c.Path}
	if g.log == nil {
		g.log = hclog.NewNullLogger()
	}
	if g.sockets == nil {
		g.sockets = ofProcess()
	}
	g.turned.log = g.log
	if _, err := g.adopt(c); err != nil {
		return nil, err
	}
	return g, nil
}

// update puts into effect what can change of a validated configuration. After an
// error nothing has changed.
func (g *gate) update(c ServerConfig) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.Listen, c.Path, c.Logger, c.sockets, c.Authenticate = g.config.Listen, g.config.Path, g.config.Logger, g.config.sockets, g.config.Authenticate
	if c.Authenticate != nil && c.Auth != nil {
		return &engine.OptionError{Option: "auth", Problem: bothAuth}
	}
	if c.TLS == nil || !g.secure { // the port is of TLS, or is not
		c.TLS = g.config.TLS
	}
	_, err := g.adopt(c)
	return err
}

// adopt reads the files that c names, and makes rules of both where anything has
// changed.
func (g *gate) adopt(c ServerConfig) (changed bool, err error) {
	read, err := readFiles(&c)
	if err != nil {
		return false, err
	}
	if g.rules.Load() != nil && read.same(&g.files) && sameRules(&c, &g.config) {
		return false, nil
	}
	c = c.clone() // the caller may change what it points to
	made, err := newRules(&c, &read)
	if err != nil {
		return false, err
	}
	if c.Auth != nil && c.Auth.File != "" {
		warnExposed(g.log, c.Auth.File, read.exposed && made.tokens.plain)
	}
	g.config, g.files = c, read
	g.rules.Store(made)
	return true, nil
}

func newRules(c *ServerConfig, f *files) (r *rules, err error) {
	r = &rules{
		requireOrigin: c.RequireOrigin,
		most:          c.MaxConnections,
		each:          c.MaxConnectionsPerAddress,
		authenticate:  c.Authenticate,
	}
	for _, text := range c.Origins {
		o, err := parseOrigin(text)
		if err != nil {
			return nil, err
		}
		r.origins = append(r.origins, o)
	}
	for _, text := range c.TrustedProxies {
		p, err := parseProxy(text)
		if err != nil {
			return nil, err
		}
		r.proxies = append(r.proxies, p)
	}
	if c.Auth != nil {
		r.query = c.Auth.Query
		if r.tokens, err = newTokens(c.Auth, f.tokens); err != nil {
			return nil, fmt.Errorf("read the tokens: %w", err)
		}
	}
	if c.TLS != nil {
		if r.certs, err = newCerts(c.TLS, f); err != nil {
			return nil, fmt.Errorf("read the certificates: %w", err)
		}
	}
	return r, nil
}

// pass is what a request was let in with.
type pass struct {
	gate    *gate
	remote  string // as messages have it
	sender  string
	ids     *idSet              // nil: every id
	token   *token              // nil: it showed none
	expires time.Time           // zero: never
	chain   []*x509.Certificate // the client's own first; nil: none was asked for
	address netip.Addr          // by which it is counted
	socket  *accepted           // nil: the host program's
}

// enter lets a request in, or refuses it. Whoever is let in must leave.
func (g *gate) enter(r *http.Request) (_ *pass, no *refusal) {
	rules := g.rules.Load()
	c := rules.clientOf(r)
	p := &pass{gate: g, remote: c.remote, address: c.address, socket: socketOf(r)}
	p.socket.wait(false)
	defer func() {
		if no != nil {
			p.socket.wait(true)
			no.remote = p.remote
			g.turned.count(no.kind)
		}
	}()
	if no := g.take(rules, p.address); no != nil {
		return nil, no
	}
	entered := false
	defer func() {
		if !entered { // the host program's Authenticate may panic
			p.leave()
		}
	}()
	if no := rules.checkOrigin(r, c.proxied); no != nil && !seedbug.Is("gate-any-origin") {
		return nil, no
	}
	if no := rules.checkCertificate(r, p); no != nil {
		return nil, no
	}
	if no := rules.checkToken(r, p); no != nil {
		return nil, no
	}
	entered = true
	return p, nil
}

// allowsOrigin tells whether the page that sends r may.
func (g *gate) allowsOrigin(r *http.Request) bool {
	rules := g.rules.Load()
	return rules.checkOrigin(r, rules.clientOf(r).proxied) == nil
}

// leave gives the place back. It is called once. From then on the socket waits: for
// the rest of a request that nobody wants, for its answer to be taken, or for another.
func (p *pass) leave() {
	p.socket.wait(true)
	p.gate.places.give(p.address)
	p.gate.sockets.leave()
}

// mayWrite tells whether the client may send to id.
func (p *pass) mayWrite(id string) bool { return p.ids == nil || p.ids.has(id) }

// textForbidden is told to a client that sends to an id that is not its own.
const textForbidden = "the token is not good for this id"

// The reasons for which connections of those that were let in are closed.
const (
	reasonRevoked = "the token is no longer valid"
	reasonExpired = "the token has expired"
	reasonNoCert  = "the client's certificate is no longer good"
)

// revoked tells why one that was let in would not be now; it is empty where it
// would.
func (g *gate) revoked(p *pass, now time.Time) (reason string) {
	r := g.rules.Load()
	switch {
	case !p.expires.IsZero() && !now.Before(p.expires):
		return reasonExpired
	case !r.accepts(p, now):
		return reasonNoCert
	case r.tokens == nil: // everybody may come in, or the host program knows
		return ""
	case p.token == nil:
		return reasonRevoked
	}
	if t := r.tokens.known[p.token.digest]; (t == nil || !t.same(p.token)) && !seedbug.Is("gate-revoked-token-stays") {
		return reasonRevoked
	}
	return ""
}

// watchPace is the time between two looks at the files.
const watchPace = time.Minute

// watch reads the files again once a minute, and calls expel then, so that those
// that would not be let in now can be sent away. It ends with stop.
func (g *gate) watch(stop <-chan struct{}, expel func()) {
	t := time.NewTicker(watchPace)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-t.C:
			g.turned.warnAll(now)
			g.reread(now)
			if expel != nil {
				expel()
			}
		}
	}
}

// reread looks at the files. What cannot be read changes nothing, and is told once;
// what may be still being written is left for the next look.
func (g *gate) reread(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if read, err := readFiles(&g.config); err == nil && !read.same(&g.files) && read.fresh(now) {
		return
	}
	changed, err := g.adopt(g.config)
	switch {
	case err != nil && err.Error() != g.fault:
		g.fault = err.Error()
		g.log.Warn("tokens or certificates cannot be read again: what was read last stays in effect", "error", err)
	case err == nil && (changed || g.fault != ""):
		g.fault = ""
		g.log.Info("tokens or certificates read again")
	}
}

// announce warns of what an operator may not have meant.
func (g *gate) announce() {
	if g.listener == nil {
		return
	}
	g.mu.Lock()
	c := g.config
	g.mu.Unlock()
	at := g.listener.Addr()
	if a, ok := at.(*net.TCPAddr); !ok || a.IP.IsLoopback() {
		return
	}
	if c.Auth == nil && c.Authenticate == nil && (c.TLS == nil || c.TLS.ClientCA == "") {
		g.log.Warn("EVERYBODY WHO REACHES THIS ADDRESS CAN SEND MESSAGES: there is no authentication; set auth, or listen on 127.0.0.1", "listen", at)
	}
	if c.TLS == nil && len(c.TrustedProxies) == 0 {
		g.log.Warn("MESSAGES AND TOKENS CAN BE READ ON THEIR WAY: there is no TLS; set tls, or listen on 127.0.0.1 behind a proxy that has it", "listen", at)
	}
}

// refusal is why a request is not let in.
type refusal struct {
	kind   refusalKind
	status int
	text   string // for the client
	reason string // for the log, where it has more to say
	remote string
}

// header sets what the status needs.
func (no *refusal) header(h http.Header) {
	switch no.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="ingest"`)
		if no.text == reasonNoCert {
			h.Set("Connection", "close") // the next handshake may have another
		}
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
		h.Set("Connection", "close")
	}
}

// cause is what the log is told.
func (no *refusal) cause() string {
	if no.reason != "" {
		return no.reason
	}
	return no.text
}

// write answers with it.
func (no *refusal) write(rw http.ResponseWriter) {
	no.header(rw.Header())
	http.Error(rw, no.text, no.status)
}

// refusalKind is what refusals are counted by.
type refusalKind int

const (
	refusedFull refusalKind = iota
	refusedAddress
	refusedOrigin
	refusedAuth
)

var refusalKinds = [...]string{"max_connections", "max_connections_per_address", "origin", "auth"}

// refusals counts them, and warns of them once a minute.
type refusals struct {
	log   hclog.Logger
	total [len(refusalKinds)]atomic.Uint64
	away  [len(refusalKinds)]seldom.Count[struct{}]
}

func (r *refusals) count(k refusalKind) {
	r.total[k].Add(1)
	r.away[k].Add(struct{}{})
	r.warn(k, time.Now())
}

func (r *refusals) warn(k refusalKind, now time.Time) {
	if n, _ := r.away[k].Due(now, awayPace); n > 0 {
		r.log.Warn("clients are refused", "reason", refusalKinds[k], "count", n)
	}
}

func (r *refusals) warnAll(now time.Time) {
	for k := range refusalKinds {
		r.warn(refusalKind(k), now)
	}
}

// refusals gives how many requests were refused for each reason; every reason is
// there.
func (g *gate) refusals() map[string]uint64 {
	m := make(map[string]uint64, len(refusalKinds))
	for k, name := range refusalKinds {
		m[name] = g.turned.total[k].Load()
	}
	return m
}

// places counts those that are let in.
type places struct {
	mu    sync.Mutex
	taken int
	by    map[netip.Addr]int
}

func (g *gate) take(r *rules, a netip.Addr) *refusal {
	p := &g.places
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.most > 0 && p.taken >= r.most:
		return &refusal{
			kind: refusedFull, status: http.StatusServiceUnavailable,
			text: "the server has as many connections as it may", reason: "max_connections",
		}
	case r.each > 0 && a.IsValid() && p.by[a] >= r.each:
		return &refusal{
			kind: refusedAddress, status: http.StatusServiceUnavailable,
			text: "your address has as many connections as it may", reason: "max_connections_per_address",
		}
	case !g.sockets.enter():
		return &refusal{
			kind: refusedFull, status: http.StatusServiceUnavailable,
			text: "the server has as many connections as it may", reason: "the limit of open files",
		}
	}
	if p.by == nil {
		p.by = make(map[netip.Addr]int)
	}
	p.taken++
	p.by[a]++
	return nil
}

func (p *places) give(a netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.by[a]--; p.by[a] == 0 {
		delete(p.by, a)
	}
}

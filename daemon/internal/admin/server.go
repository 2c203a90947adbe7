package admin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon/internal/admin/page"
	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/liblog"
	"github.com/ingestd/ingestd/internal/listen"
)

// Daemon is what a Server tells of and acts on. Its functions are called
// concurrently. While it starts, only Readiness and Status are there.
type Daemon struct {
	Readiness func(context.Context) api.Readiness
	Status    func(context.Context) api.Status // all but the moment, rates and latencies

	Sample  func() Sample // each second: it must be cheap
	Engine  *engine.Engine
	Tap     *Tap
	Letters *deadletters.Store
	Redact  func(string) string // takes secrets out of a text

	// Stored asks the sink for a stream and its last messages.
	Stored func(ctx context.Context, id string, messages int) (*api.StoredStream, []api.StoredMessage, error)

	Messages http.Handler // takes test messages
	Metrics  http.Handler // nil: there are none

	Config      func() api.Config
	SetLogLevel func(level string) error

	// Reload reads the configuration again. ErrDraining: it is too late.
	Reload func(context.Context) (api.Reloaded, error)
}

// ErrDraining says that nothing can be changed any more.
var ErrDraining = errors.New("the daemon is shutting down")

// The most that last at once.
const (
	mostEvents = 32
	mostTails  = 16
)

// Server answers on admin.listen. Make it with [Listen].
type Server struct {
	log      hclog.Logger
	listener net.Listener
	server   http.Server
	guard    *guard
	daemon   atomic.Pointer[Daemon]

	history history
	board   board
	busiest busiest
	events  chan struct{} // a place for each that lasts
	tails   chan struct{}

	ctx   context.Context // ends with Close
	end   context.CancelFunc
	grace time.Duration
}

// Listen binds the port. Until Attach, the daemon is starting.
func Listen(address string, a Access, starting *Daemon, log hclog.Logger) (*Server, error) {
	l, err := listen.On(address)
	if err != nil {
		return nil, err
	}
	s := &Server{
		log: log, listener: l, guard: newGuard(l.Addr(), a), grace: closeGrace,
		events: make(chan struct{}, mostEvents), tails: make(chan struct{}, mostTails),
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.board.next = make(chan struct{})
	s.daemon.Store(starting)
	s.warn(a)
	s.server = http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          liblog.Server(log),
		ConnState:         newSockets(log).changed,
	}
	return s, nil
}

// handler is the table of what is answered.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /metrics", s.metrics)

	files := page.Handler()
	mux.Handle("GET /{$}", s.front(files))
	mux.Handle("GET /assets/", files) // they are no secret, and whoever signs in needs them
	mux.HandleFunc("GET /api/v1/session", s.session)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /logout", s.logout)

	for pattern, h := range map[string]func(d *Daemon, w http.ResponseWriter, r *http.Request){
		"GET /api/v1/status":    s.status,
		"GET /api/v1/history":   s.getHistory,
		"GET /api/v1/events":    s.getEvents,
		"GET /api/v1/streams":   s.getStreams,
		"GET /api/v1/stream":    s.getStream,
		"GET /api/v1/tail":      s.getTail,
		"GET /api/v1/config":    s.getConfig,
		"POST /api/v1/reload":   s.reload,
		"POST /api/v1/messages": s.postMessages,
		"PUT /api/v1/log-level": s.putLogLevel,

		"GET /api/v1/dead-letters":                   s.getLetters,
		"GET /api/v1/dead-letters/{number}":          s.getLetter,
		"POST /api/v1/dead-letters/replay":           s.replayLetters,
		"POST /api/v1/dead-letters/discard":          s.discardLetters,
		"GET /api/v1/dead-letters/replays/{request}": s.getReplay,

		"GET /debug/pprof/": profiles,
	} {
		mux.HandleFunc(pattern, s.guarded(h))
	}
	pages := http.NewCrossOriginProtection() // the guard's own rule, for what has no guard
	pages.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusForbidden, "pages of other origins may not ask for anything here")
	}))
	return withHeaders(pages.Handler(mux))
}

// front shows the page. Who has not shown the token that is needed gets it with the
// status that says so: it asks for the token then. Links of other pages may lead to
// it, as it acts on nothing, and its own requests are guarded.
func (s *Server) front(files http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		no := s.guard.place(r)
		if no == nil {
			no = s.guard.shown(r)
		}
		switch {
		case no == nil:
			files.ServeHTTP(w, r)
		case no.status == http.StatusUnauthorized:
			r.Header.Del("If-None-Match") // "not modified" would be no such status
			u := &unauthorized{ResponseWriter: w}
			files.ServeHTTP(u, r)
			u.begin() // the answer to HEAD has no body
		default:
			http.Error(w, no.text, no.status)
		}
	}
}

// unauthorized answers with that status what is answered with 200.
type unauthorized struct {
	http.ResponseWriter
	begun bool
}

func (w *unauthorized) begin() {
	if !w.begun {
		w.begun = true
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func (w *unauthorized) Write(b []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(b)
}

// guarded lets in to h whoever may ask for data.
func (s *Server) guarded(h func(d *Daemon, w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if no := s.guard.enter(r); no != nil {
			s.refuse(w, r, no)
			return
		}
		h(s.daemon.Load(), w, r)
	}
}

// refuse answers a request that is not let in.
func (s *Server) refuse(w http.ResponseWriter, _ *http.Request, no *refusal) {
	if no.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="ingestd"`)
	}
	fail(w, no.status, "%s", no.text)
}

// Attach gives the server the daemon that has started.
func (s *Server) Attach(d *Daemon) { s.daemon.Store(d) }

// SetAccess puts other rules into effect. Sessions of another token end.
func (s *Server) SetAccess(a Access) {
	if before := s.guard.rules.Load(); before.needed && a.Token == "" {
		s.warn(a)
	}
	s.guard.set(a)
}

// warn says loudly that a token is missing.
func (s *Server) warn(a Access) {
	if s.guard.local || a.Token != "" {
		return
	}
	s.log.Warn("THE ADMIN SERVER LISTENS ON MORE THAN THIS MACHINE AND HAS NO TOKEN: it answers nothing but /healthz, /readyz and /metrics; "+
		"set token in admin { }, or listen on 127.0.0.1", "listen", s.listener.Addr())
}

// URL is where it listens.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Serve answers until Close is called.
func (s *Server) Serve() error {
	var sampler sync.WaitGroup
	sampler.Go(s.sample)
	defer sampler.Wait()
	defer s.end()
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// closeGrace is how long answers that are being written have at the end.
const closeGrace = time.Second

// Close frees the port and ends every connection, after the answers under way; what
// lasts, it ends at once.
func (s *Server) Close() error {
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), s.grace)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		return s.server.Close()
	}
	// Where it was never served, the server does not know of its listener.
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

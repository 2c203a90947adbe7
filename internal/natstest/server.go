package natstest

import (
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/ingestd/ingestd/internal/listen"
)

// Option changes what a server is started with.
type Option func(*server.Options)

// SyncAlways makes the server sync each message to the disk before it acks it.
func SyncAlways(o *server.Options) { o.SyncAlways = true }

// MaxPayload is how large a message may be.
func MaxPayload(bytes int32) Option {
	return func(o *server.Options) { o.MaxPayload = bytes }
}

// Server is one that may be running.
type Server struct {
	t    testing.TB
	opts server.Options

	mu      sync.Mutex
	running *server.Server // nil: it is stopped
}

// Start starts one server. It is stopped at the end of the test.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	s := newServer(t, "server", options)
	s.Restart()
	return s
}

func newServer(t testing.TB, name string, options []Option) *Server {
	s := &Server{t: t, opts: server.Options{
		ServerName:            name,
		Host:                  "127.0.0.1",
		Port:                  sparePort(t),
		NoLog:                 true,
		NoSigs:                true,
		JetStream:             true,
		StoreDir:              t.TempDir(),
		JetStreamMaxMemory:    256 << 20,
		JetStreamMaxStore:     256 << 30,
		DisableShortFirstPing: true,
	}}
	for _, option := range options {
		option(&s.opts)
	}
	t.Cleanup(s.Stop)
	return s
}

// sparePort gives a port that nobody listens on now.
func sparePort(t testing.TB) int {
	t.Helper()
	addresses, err := listen.Spare(1)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addresses[0])
	n, _ := strconv.Atoi(port)
	return n
}

// Address is where the server listens, whether it runs or not.
func (s *Server) Address() string {
	return net.JoinHostPort(s.opts.Host, strconv.Itoa(s.opts.Port))
}

// URL is the same as clients take it.
func (s *Server) URL() string { return "nats://" + s.Address() }

// Running is the server itself; nil while it is stopped.
func (s *Server) Running() *server.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// Stop stops the server, if it runs, and waits for its end. What it has stored
// stays.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.Shutdown()
		s.running.WaitForShutdown()
		s.running = nil
	}
}

// Restart stops the server, if it runs, and starts it with what it has stored, at
// the same port, and with further options.
func (s *Server) Restart(options ...Option) {
	s.t.Helper()
	s.Stop()
	for _, option := range options {
		option(&s.opts)
	}
	s.launch()
	if !s.Running().ReadyForConnections(patience) {
		s.t.Fatal("the NATS server does not get ready")
	}
}

// launch starts the server, and does not wait for it.
func (s *Server) launch() {
	s.t.Helper()
	opts := s.opts // which the server changes
	running, err := server.NewServer(&opts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.running = running
	s.mu.Unlock()
	running.Start()
}

// Eventually waits until something is true that the servers come to by themselves.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

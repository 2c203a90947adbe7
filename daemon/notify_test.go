package daemon

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// manager stands for systemd: it receives what the daemon tells.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func listenAsManager(t *testing.T) *manager {
	t.Helper()
	address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	conn, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", address.Name)
	return &manager{t, conn}
}

// hears waits for a state, and skips the watchdog's where that is not it.
func (m *manager) hears(prefix string) {
	m.t.Helper()
	buf := make([]byte, 4096)
	_ = m.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		n, err := m.conn.Read(buf)
		if err != nil {
			m.t.Fatalf("waiting for %q: %v", prefix, err)
		}
		state := string(buf[:n])
		if strings.HasPrefix(state, prefix) {
			return
		}
		if state != "WATCHDOG=1" {
			m.t.Fatalf("the service manager is told %q, not %q", state, prefix)
		}
	}
}

func TestServiceManagerIsTold(t *testing.T) {
	m := listenAsManager(t)
	t.Setenv("WATCHDOG_USEC", "200000")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config.hcl"), "")
	p := start(t, dir, append([]string{"run"}, free...)...)
	m.hears("READY=1")
	m.hears("WATCHDOG=1")
	m.hears("WATCHDOG=1")
	p.signal(syscall.SIGHUP)
	m.hears("RELOADING=1\nMONOTONIC_USEC=")
	m.hears("READY=1")
	write(t, filepath.Join(dir, "config.hcl"), "nonsense = 1")
	p.signal(syscall.SIGHUP)
	m.hears("RELOADING=1\nMONOTONIC_USEC=")
	m.hears("READY=1") // with what was in effect before
	m.hears("WATCHDOG=1")
	p.signal(syscall.SIGTERM)
	m.hears("STOPPING=1")
	if status := p.wait(); status != exitFine {
		t.Errorf("exit status %d", status)
	}
}

// stalls is a sink that does not return from Write, and a producer that does not
// from Settled, until goOn is closed.
type stalls struct{ called, goOn chan struct{} }

func (s *stalls) stall() {
	select {
	case s.called <- struct{}{}:
	default:
	}
	<-s.goOn
}

func (s *stalls) Write(context.Context, []engine.Batch) ([]engine.Result, error) {
	s.stall()
	return nil, nil
}
func (s *stalls) Close() error                                   { return nil }
func (s *stalls) Spooled([]engine.Message)                       {}
func (s *stalls) Settled([]engine.Message, engine.Result, error) { s.stall() }

// A database that hangs is no reason to end the process; a settler that does is one.
func TestWatchdog(t *testing.T) {
	m := listenAsManager(t)
	sink := &stalls{make(chan struct{}, 1), make(chan struct{})}
	producer := &stalls{make(chan struct{}, 1), make(chan struct{})}
	o := engine.DefaultOptions()
	o.BatchSize = 1
	e, err := engine.New(sink, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { _ = e.Run(ctx) })
	if err := e.Route(ctx, engine.Message{ID: "a", Data: []byte("1")}, producer); err != nil {
		t.Fatal(err)
	}
	<-sink.called

	log := &lines{more: make(chan struct{}, 1)}
	n := notifier{log: hclog.New(&hclog.LoggerOptions{Output: log})}
	watching, end := context.WithCancel(t.Context())
	work.Go(func() { n.watch(watching, 200*time.Millisecond, &parts{engine: e}, nil) })
	m.hears("WATCHDOG=1")
	m.hears("WATCHDOG=1")

	close(sink.goOn)
	<-producer.called // from here on the settler is stuck
	log.await(t, "watchdog is not fed: a part does not answer")
	log.await(t, "the settler of writer")
	m.drop()
	close(producer.goOn)
	m.hears("WATCHDOG=1")

	end()
	stop()
	work.Wait()
}

// drop forgets what was told so far.
func (m *manager) drop() {
	_ = m.conn.SetReadDeadline(time.Now())
	for buf := make([]byte, 16); ; {
		if _, err := m.conn.Read(buf); err != nil {
			return
		}
	}
}

// lines is a log that can be waited for.
type lines struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.buf.Write(b)
}

func (l *lines) await(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		l.mu.Lock()
		there := strings.Contains(l.buf.String(), text)
		l.mu.Unlock()
		if there {
			return
		}
		select {
		case <-l.more:
		case <-timeout:
			t.Fatalf("the log does not say %q", text)
		}
	}
}

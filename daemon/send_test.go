package daemon

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// rows is a sink that keeps each message as a line, and refuses what says "bad".
type rows struct {
	mu    sync.Mutex
	lines []string
}

func (s *rows) write(_ context.Context, batches []engine.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, b := range batches {
		for j, m := range b.Messages {
			if string(m.Data) == `"bad"` {
				return engine.Reject(i, j, fmt.Errorf("that is bad"))
			}
		}
	}
	for _, b := range batches {
		for _, m := range b.Messages {
			sent := ""
			if m.Time != m.Received {
				sent = m.Time.Format(" 2006-01-02T15:04:05.999Z")
			}
			s.lines = append(s.lines, fmt.Sprintf("%q %d %s %d%s %s", m.ID, m.Seq, m.Op, m.Code, sent, m.Data))
		}
		if b.Final != nil {
			s.lines = append(s.lines, fmt.Sprintf("%q done %s", b.ID, b.Final.Data))
		}
	}
	return nil
}

// startDaemon runs a daemon in this process until the test ends.
func startDaemon(t *testing.T, write func(context.Context, []engine.Batch) error, sets ...string) (url string) {
	t.Helper()
	s := &testSink{write: write, closed: make(chan struct{})}
	p := testPlugins(t, WithSink("test", none, func(context.Context, noSettings, hclog.Logger) (*testSink, error) { return s, nil }))
	cfg := testConfig(t, p, "", append([]string{
		"sink=test", "data_dir=" + t.TempDir(), "admin.listen=", "transport.websocket.listen=127.0.0.1:0",
		"router.batch_wait=5ms", "shutdown_timeout=10ms", "transport.websocket.on_disconnect=keep",
	}, sets...)...)
	ready, ended := make(chan *parts, 1), make(chan error, 1)
	d := &daemon{cfg: cfg, log: newLogger(cfg.core, io.Discard), ready: func(p *parts) { ready <- p }}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { ended <- d.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !strings.Contains(err.Error(), engine.ErrUndelivered.Error()) {
			t.Errorf("daemon: %v", err)
		}
	})
	select {
	case p := <-ready:
		return p.transports[0].URL()
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return ""
	}
}

// sendWith runs the command as it is, but for its standard input and signals.
func sendWith(t *testing.T, ctx context.Context, stdin io.Reader, args ...string) (status int, stderr string) {
	t.Helper()
	var commands cli
	parser, err := kong.New(&commands, kong.Vars{"sinks": "", "transports": "", "version": ""})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"send"}, args...)); err != nil {
		t.Fatal(err)
	}
	c := &commands.Send
	c.stdin, c.grace = stdin, 10*time.Millisecond
	if err = c.check(); err != nil {
		return exitWrong, err.Error() + "\n"
	}
	var out safeBuffer
	err = c.send(ctx, &out)
	stderr = out.String()
	if err != nil && err.Error() != errLogged.Error() {
		stderr += err.Error() + "\n"
	}
	return statusOf(err), stderr
}

var (
	took    = regexp.MustCompile(`[0-9.]+ s, [0-9]+ a second`)
	numbers = regexp.MustCompile(`\b1[0-9]{15}\b`)
)

// Each file of testdata/send has an input, and after the line "----" what the
// command says, its status, and what is stored then. The lines before the
// input that begin with "# " are arguments.
func TestSendGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/send/*.txt")
	if err != nil || len(files) < 13 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(text), "----\n")
			var stored rows
			args := []string{"--url=" + startDaemon(t, stored.write)}
			in := input
			for strings.HasPrefix(in, "# ") {
				arg, rest, _ := strings.Cut(in[2:], "\n")
				args, in = append(args, arg), rest
			}
			status, stderr := sendWith(t, context.Background(), strings.NewReader(in), args...)
			slices.SortStableFunc(stored.lines, func(a, b string) int {
				return strings.Compare(strings.Fields(a)[0], strings.Fields(b)[0])
			})
			said := strings.SplitAfter(stderr, "\n")
			slices.SortStableFunc(said, func(a, b string) int { // refusals come as they come
				if strings.HasPrefix(a, "refused") && strings.HasPrefix(b, "refused") {
					return strings.Compare(a, b)
				}
				return 0
			})
			got := fmt.Sprintf("%sstatus %d\n", strings.Join(said, ""), status)
			for _, line := range stored.lines {
				got += line + "\n"
			}
			got = numbers.ReplaceAllString(took.ReplaceAllString(got, "T s, R a second"), "NUMBER")
			if *update {
				if err := os.WriteFile(file, []byte(input+"----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// A signal ends the reading, and soon the waiting; what was not acked is told.
func TestSendInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	tried := make(chan struct{})
	once := sync.OnceFunc(func() { close(tried) })
	url := startDaemon(t, func(context.Context, []engine.Batch) error {
		once()
		return fmt.Errorf("away")
	})
	go func() { <-tried; cancel() }()
	in, more := io.Pipe() // never ends
	defer func() { _ = more.Close() }()
	go func() { _, _ = more.Write([]byte(`{"id":"a","seq":3} {"id":"a","seq":5} {"id":"b","seq":1}`)) }()
	status, stderr := sendWith(t, ctx, in, "--url="+url)
	got := took.ReplaceAllString(stderr, "T s, R a second")
	const want = "interrupted: not all of the input was sent\nnot acked: id a: 2, seq 3 to 5\nnot acked: id b: 1, seq 1 to 1\n" +
		"sent 3, acked 0, refused 0, not acked 3: T s, R a second\n"
	if status != exitFailed || got != want {
		t.Errorf("status %d:\n%swant\n%s", status, got, want)
	}
}

// All that was sent is acked, but the input goes on: that is no success, after
// which somebody might delete the file.
func TestSendInterruptedWithAllAcked(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	url := startDaemon(t, new(rows).write)
	in, more := io.Pipe()
	defer func() { _ = more.Close() }()
	go func() {
		_, _ = more.Write([]byte(`{"id":"a","seq":3}`))
		_, _ = more.Write([]byte(` {"op":"flush"} `)) // holds the reader until a/3 is acked
		_, _ = more.Write([]byte(` `))
		cancel()
	}()
	status, stderr := sendWith(t, ctx, in, "--url="+url)
	got := took.ReplaceAllString(stderr, "T s, R a second")
	const want = "interrupted: not all of the input was sent\nsent 1, acked 1, refused 0, not acked 0: T s, R a second\n"
	if status != exitFailed || got != want {
		t.Errorf("status %d:\n%swant\n%s", status, got, want)
	}
}

// Nothing is stored, and nobody is there to interrupt it.
func TestSendTimeout(t *testing.T) {
	url := startDaemon(t, func(context.Context, []engine.Batch) error { return fmt.Errorf("away") })
	status, stderr := sendWith(t, context.Background(), strings.NewReader(`{"id":"a","seq":3}`), "--url="+url, "--timeout=2s")
	got := took.ReplaceAllString(stderr, "T s, R a second")
	const want = "not acked: id a: 1, seq 3 to 3\nsent 1, acked 0, refused 0, not acked 1: T s, R a second\n"
	if status != exitFailed || !strings.HasSuffix(got, want) {
		t.Errorf("status %d:\n%swant\n%s", status, got, want)
	}
}

func TestSendWithoutDaemon(t *testing.T) {
	status, stderr := sendWith(t, context.Background(), strings.NewReader(""), "--url=ws://127.0.0.1:1/ws")
	if status != exitOutside || stderr != "connect to ws://127.0.0.1:1/ws: dial tcp 127.0.0.1:1: connect: connection refused\n" {
		t.Errorf("status %d: %s", status, stderr)
	}
	url := startDaemon(t, new(rows).write)
	status, stderr = sendWith(t, context.Background(), strings.NewReader(""), "--url="+url+"x")
	if status != exitOutside || !strings.Contains(stderr, "status 404") {
		t.Errorf("status %d: %s", status, stderr)
	}
}

// What is in the query may be a token.
func TestSendKeepsTokensSecret(t *testing.T) {
	status, stderr := sendWith(t, context.Background(), strings.NewReader(""), "--url=ws://user:sesame@127.0.0.1:1/ws?token=sesame")
	if status != exitOutside || strings.Contains(stderr, "sesame") || !strings.Contains(stderr, "127.0.0.1:1/ws") {
		t.Errorf("status %d: %s", status, stderr)
	}
}

func TestSendOverTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	url := "--url=wss" + strings.TrimPrefix(s.URL, "https") + "/ws"
	for _, c := range []struct {
		name, want string
		status     int
		args       []string
	}{
		{"all", "status 404", exitOutside, []string{"--ca=" + cert, "--cert=" + cert, "--key=" + keyFile}},
		{"no certificate", "certificate", exitOutside, []string{"--ca=" + cert}},
		{"the system's roots", "certificate", exitOutside, []string{"--cert=" + cert, "--key=" + keyFile}},
		{"no key", "--cert and --key", exitWrong, []string{"--cert=" + cert}},
		{"no such file", "none.pem", exitWrong, []string{"--ca=none.pem"}},
		{"no certificate in it", "no certificate in it", exitWrong, []string{"--ca=" + keyFile}},
	} {
		status, stderr := sendWith(t, context.Background(), strings.NewReader(""), append(c.args, url)...)
		if status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: status %d: %s", c.name, status, stderr)
		}
	}
}

// Files are read one after the other, by the program itself.
func TestSendFiles(t *testing.T) {
	var stored rows
	url := startDaemon(t, stored.write)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "1"), `{"id":1,"seq":1}`)
	write(t, filepath.Join(dir, "2"), `[{"id":1,"seq":2}]`)
	status, stdout, stderr := run(t, dir, "send", "--url", url, "--file=1", "2", "--client=c")
	if status != 0 || stdout != "" || !strings.HasPrefix(stderr, "sent 2, acked 2, refused 0, not acked 0: ") || len(stored.lines) != 2 {
		t.Errorf("status %d, stdout %q, stderr %q, stored %q", status, stdout, stderr, stored.lines)
	}
}

// The input is never in memory as a whole.
func TestSendReadsInSmallPieces(t *testing.T) {
	const value = `{"id":1,"text":"0123456789"}`
	i := newInput("x", io.LimitReader(&repeater{text: []byte("[\n" + value + ",\n")}, 1<<20))
	for n := 0; ; n++ {
		if _, at, err := i.next(true); err != nil {
			if n < 100 || !strings.Contains(err.Error(), "it ends inside a value") {
				t.Errorf("after %d: %v", n, err)
			}
			return
		} else if at.line != n+2 || at.column != 1 {
			t.Fatalf("value %d is at %v", n, at)
		}
		if len(i.begins) > 10_000 {
			t.Fatalf("%d lines are kept", len(i.begins))
		}
	}
}

// repeater gives its first line once, and the others again and again.
type repeater struct {
	text []byte
	next []byte
}

func (r *repeater) Read(p []byte) (n int, err error) {
	if r.next == nil {
		r.next = r.text
	}
	if len(r.next) == 0 {
		r.next = r.text[bytes.IndexByte(r.text, '\n')+1:]
	}
	n = copy(p, r.next)
	r.next = r.next[n:]
	return n, nil
}

// A server that asks for a token gets the one that is given, and none in an error.
func TestSendToken(t *testing.T) {
	const token = "marker-0123456789abcdef"
	url := startDaemon(t, new(rows).write, "transport.websocket.auth.token.a.value="+token)
	for _, c := range []struct {
		name, given, fromEnv string
		status               int
	}{
		{"none", "", "", exitOutside},
		{"wrong", "marker-that-is-not-it", "", exitOutside},
		{"flag", token, "", exitFine},
		{"environment", "", token, exitFine},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("INGEST_TOKEN", c.fromEnv)
			args := []string{"--url=" + url, "--generate=3"}
			if c.given != "" {
				args = append(args, "--token="+c.given)
			}
			status, out := sendWith(t, context.Background(), nil, args...)
			if status != c.status || strings.Contains(out, "marker") {
				t.Errorf("status %d\n%s", status, out)
			}
		})
	}
}

package daemon

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// patience is how long tests wait for what should come at once.
const patience = 30 * time.Second

// program is the built binary.
var program string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ingestd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "ingestd")
	build := exec.Command("go", "build", "-o", program, "../cmd/ingestd")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	_ = os.Unsetenv("INGESTD_CONFIG")
	return m.Run()
}

// process is a running program. Each has a directory of its own, on free ports.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string
	stdout bytes.Buffer // to be read after wait

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed at the next line, and at the end
	ended bool
	read  sync.WaitGroup
}

// free are the settings of a process that listens on free ports.
var free = []string{"--set=transport.websocket.listen=127.0.0.1:0", "--set=admin.listen=127.0.0.1:0"}

// start runs the program in dir. It is killed when the test ends.
func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(program, args...), dir: dir, more: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Stdout = &p.stdout
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.read.Go(func() {
		for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
			p.add(scanner.Text(), false)
		}
		p.add("", true)
	})
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		p.read.Wait()
		if t.Failed() {
			t.Logf("ingestd %v:\n%s", args, p.log())
		}
	})
	return p
}

func (p *process) add(line string, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !ended {
		p.lines = append(p.lines, line)
	}
	p.ended = ended
	close(p.more)
	p.more = make(chan struct{})
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// await waits for a line of the log that has text in it.
func (p *process) await(text string) string {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		p.mu.Lock()
		lines, more, ended := p.lines, p.more, p.ended
		p.mu.Unlock()
		for _, line := range lines {
			if strings.Contains(line, text) {
				return line
			}
		}
		if ended {
			p.t.Fatalf("the program ended without saying %q", text)
		}
		select {
		case <-more:
		case <-timeout:
			p.t.Fatalf("the program does not say %q", text)
		}
	}
}

// over is closed when the program has closed its log, at its end.
func (p *process) over() <-chan struct{} {
	over := make(chan struct{})
	go func() {
		p.read.Wait()
		close(over)
	}()
	return over
}

// wait waits for the end and returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	done := make(chan struct{})
	go func() {
		p.read.Wait()
		_ = p.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-done
		p.t.Fatalf("the program does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

var (
	listening = regexp.MustCompile(`listening"?[=:]"?(ws://[^" ]+)`)
	adminAt   = regexp.MustCompile(`admin"?[=:]"?(http://[^" ]+)`)
)

// url is where the process listens for websockets.
func (p *process) url() string { return p.inReadyLine(listening) }

// admin is where it listens for HTTP.
func (p *process) admin() string { return p.inReadyLine(adminAt) }

func (p *process) inReadyLine(what *regexp.Regexp) string {
	p.t.Helper()
	line := p.await("ready")
	m := what.FindStringSubmatch(line)
	if m == nil {
		p.t.Fatalf("%v is not in %q", what, line)
	}
	return m[1]
}

// run runs the program to its end.
func run(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	p := start(t, dir, args...)
	status = p.wait()
	return status, p.stdout.String(), p.log()
}

// dial connects to the process.
func (p *process) dial() *websocket.Conn {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, p.url(), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// send sends one frame.
func (p *process) send(c *websocket.Conn, frame string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
		p.t.Fatal(err)
	}
}

// receive reads one frame.
func (p *process) receive(c *websocket.Conn) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, frame, err := c.Read(ctx)
	return string(frame), err
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

package e2e

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// daemon is a running ingestd.
type daemon struct {
	t      *testing.T
	cmd    *exec.Cmd
	traced bool         // cmd is a tracer, and the program its child
	stdout bytes.Buffer // to be read after it has ended
	ended  chan struct{}

	mu    sync.Mutex
	lines []string // of its log
	news  chan struct{}
}

// start runs the program in dir, on free ports, until the test ends, and waits
// until it is ready.
func start(t *testing.T, dir string, args ...string) *daemon {
	t.Helper()
	path, err := plain()
	if err != nil {
		t.Fatal(err)
	}
	return startProgram(t, path, dir, args...).ready()
}

// launch runs the program and waits for nothing.
func launch(t *testing.T, dir string, args ...string) *daemon {
	t.Helper()
	path, err := plain()
	if err != nil {
		t.Fatal(err)
	}
	return startProgram(t, path, dir, args...)
}

func startProgram(t *testing.T, path, dir string, args ...string) *daemon {
	t.Helper()
	return startCommand(t, []string{path}, dir, args...)
}

// startCommand runs the program as part of a command line, as of a tracer.
func startCommand(t *testing.T, command []string, dir string, args ...string) *daemon {
	t.Helper()
	command = append(command, "--set=transport.websocket.listen=127.0.0.1:0", "--set=admin.listen=127.0.0.1:0")
	command = append(command, args...)
	d := &daemon{t: t, traced: filepath.Base(command[0]) == "strace", cmd: exec.Command(command[0], command[1:]...), ended: make(chan struct{}), news: make(chan struct{})}
	d.cmd.Dir = dir
	d.cmd.Stdout = &d.stdout
	stderr, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d.cmd.Stderr = w
	err = d.cmd.Start()
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		d.readLog(stderr)
		_ = d.cmd.Wait()
		close(d.ended)
		d.add("")
	}()
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			lines := strings.Split(d.log(), "\n")
			t.Logf("the last that ingestd said:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
	})
	return d
}

func (d *daemon) readLog(stderr io.ReadCloser) {
	scanner := bufio.NewScanner(stderr)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		d.add(scanner.Text())
	}
	_ = stderr.Close()
}

func (d *daemon) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
	close(d.news)
	d.news = make(chan struct{})
}

func (d *daemon) log() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.TrimSpace(strings.Join(d.lines, "\n"))
}

// says waits for a line of the log that holds text.
func (d *daemon) says(text string) string {
	d.t.Helper()
	timeout := time.After(patience)
	for {
		d.mu.Lock()
		lines, news := d.lines, d.news
		d.mu.Unlock()
		for _, line := range lines {
			if strings.Contains(line, text) {
				return line
			}
		}
		select {
		case <-news:
		case <-d.ended:
			if strings.Contains(d.log(), text) {
				continue
			}
			d.t.Fatalf("the program ended without saying %q:\n%s", text, d.log())
		case <-timeout:
			d.t.Fatalf("the program does not say %q", text)
		}
	}
}

func (d *daemon) ready() *daemon {
	d.t.Helper()
	d.says("ready: ")
	return d
}

var (
	listening = regexp.MustCompile(`listening="?\[?(ws://[^\s"\]]+)`)
	posting   = regexp.MustCompile(`listening=[^=]*(http://[^\s"\]]+)`)
	adminAt   = regexp.MustCompile(`admin=(\S+)`)
	counters  = regexp.MustCompile(`(accepted|stored|duplicates|refused|undelivered|replayed|in-spool)=(\d+)`)
)

// url is where it listens for websockets.
func (d *daemon) url() string { return listening.FindStringSubmatch(d.says("ready: "))[1] }

// readyz is the answer of /readyz.
func (d *daemon) readyz() string {
	d.t.Helper()
	resp, err := http.Get(adminAt.FindStringSubmatch(d.says("ready: "))[1] + "/readyz")
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(body)
}

// term asks it to drain.
func (d *daemon) term() {
	d.t.Helper()
	if err := d.program().Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
}

// kill ends it as kill -9 does.
func (d *daemon) kill() {
	_ = d.program().Kill()
	<-d.ended
}

// wait waits for the end, and gives the exit status.
func (d *daemon) wait() int {
	d.t.Helper()
	begun := time.Now()
	select {
	case <-d.ended:
	case <-time.After(patience):
		d.t.Fatal("the program does not end")
	}
	d.t.Logf("ended within %v", time.Since(begun).Round(time.Millisecond))
	return d.cmd.ProcessState.ExitCode()
}

// stop drains it, expects that it ends well, and gives its last counters.
func (d *daemon) stop() map[string]int {
	d.t.Helper()
	d.term()
	if status := d.wait(); status != 0 {
		d.t.Errorf("exit status %d", status)
	}
	return d.counts()
}

// counts are the counters that it logs last.
func (d *daemon) counts() map[string]int {
	d.t.Helper()
	n := make(map[string]int)
	for _, m := range counters.FindAllStringSubmatch(d.says("stopped: "), -1) {
		n[m[1]], _ = strconv.Atoi(m[2])
	}
	return n
}

// quiet checks that the log tells of no trouble.
func (d *daemon) quiet() {
	d.t.Helper()
	for line := range strings.Lines(d.log()) {
		for _, trouble := range []string{"[WARN]", "[ERROR]", "panic", "DATA RACE"} {
			if strings.Contains(line, trouble) {
				d.t.Errorf("the log says: %s", line)
			}
		}
	}
}

// status is a value of /proc/PID/status, in KiB.
func (d *daemon) status(key string) int {
	d.t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(d.cmd.Process.Pid) + "/status")
	if err != nil {
		d.t.Fatal(err)
	}
	m := regexp.MustCompile(key + `:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		d.t.Fatalf("no %s in %s", key, text)
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// eventually waits until ok says so, which looks from outside at what nobody
// announces.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in vain: %s", what)
		}
	}
}

// idle tells whether no stream is live and nothing is pending.
func idle(d *daemon) bool {
	return strings.Contains(d.readyz(), ": 0 streams live, 0 messages pending,")
}

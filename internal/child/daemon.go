package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Command says what to run.
type Command struct {
	Path string   // the program
	Args []string // without its name; the log must be text
	Env  []string // KEY=value, besides this process's own
	Dir  string   // where it runs; empty: here
	Log  io.Writer
}

// Daemon is one run of ingestd. Its methods may be called from any goroutine.
type Daemon struct {
	cmd   *exec.Cmd
	begun time.Time
	took  time.Duration // from the start to ready; set before ready is closed

	ready chan struct{} // closed once it has said that it is ready
	ended chan struct{} // closed once it has ended and its log is read
	line  string        // that says that it is ready

	mu   sync.Mutex
	tail []string // the last lines of its log
}

// tailLines is how much of the log is kept.
const tailLines = 60

// Start starts the program. Whoever starts it waits until it has ended: see
// [Daemon.Kill].
func Start(c Command) (*Daemon, error) {
	d := &Daemon{cmd: exec.Command(c.Path, c.Args...), ready: make(chan struct{}), ended: make(chan struct{})}
	d.cmd.Dir, d.cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	d.cmd.SysProcAttr = attributes()
	stderr, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	d.cmd.Stderr = w
	d.begun = time.Now()
	started := make(chan error)
	go func() {
		// The child dies with the thread that started it: so that thread waits for
		// the child.
		runtime.LockOSThread()
		err := d.cmd.Start()
		_ = w.Close()
		started <- err
		if err != nil {
			_ = stderr.Close()
			return
		}
		d.read(stderr, c.Log)
		_ = d.cmd.Wait()
		close(d.ended)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	return d, nil
}

// read reads the log to its end, which comes when the process ends.
func (d *Daemon) read(stderr io.ReadCloser, log io.Writer) {
	defer func() { _ = stderr.Close() }()
	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadString('\n')
		if log != nil {
			_, _ = io.WriteString(log, line)
		}
		if line != "" {
			d.add(strings.TrimRight(line, "\n"))
		}
		if err != nil {
			return
		}
	}
}

func (d *Daemon) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tail = append(d.tail[max(0, len(d.tail)-tailLines+1):], line)
	if d.line == "" && strings.Contains(line, " ready: ") {
		d.line, d.took = line, time.Since(d.begun)
		close(d.ready)
	}
}

// Log is the end of what it has said.
func (d *Daemon) Log() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.tail, "\n")
}

// EndedError says that the process ended before what was waited for.
type EndedError struct {
	Status int    // its exit status; -1 after a signal
	Log    string // its last words
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("ingestd ended with status %d; its last words:\n%s", e.Status, e.Log)
}

// Ready waits until the daemon is ready, and says how long that took from its
// start. It fails with an [EndedError] where it ends before that.
func (d *Daemon) Ready(ctx context.Context) (time.Duration, error) {
	select {
	case <-d.ready:
		return d.took, nil
	case <-d.ended:
		return 0, d.gone()
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for ingestd to be ready: %w", ctx.Err())
	}
}

func (d *Daemon) gone() error { return &EndedError{d.cmd.ProcessState.ExitCode(), d.Log()} }

var (
	listening = regexp.MustCompile(`listening=(\S+)`)
	adminAt   = regexp.MustCompile(`admin=(\S+)`)
)

// URL is where it listens, and Admin where its admin server does. It is ready.
func (d *Daemon) URL() string   { return d.said(listening) }
func (d *Daemon) Admin() string { return d.said(adminAt) }

func (d *Daemon) said(what *regexp.Regexp) string {
	<-d.ready
	if m := what.FindStringSubmatch(d.line); m != nil {
		return m[1]
	}
	return ""
}

// Ended is closed once the process has ended.
func (d *Daemon) Ended() <-chan struct{} { return d.ended }

// Pid is the number of the process.
func (d *Daemon) Pid() int { return d.cmd.Process.Pid }

// Kill ends the process as kill -9 does, and waits until it is gone. It may have
// ended already.
func (d *Daemon) Kill() {
	_ = d.cmd.Process.Kill()
	<-d.ended
}

// Term asks it to drain.
func (d *Daemon) Term() error { return d.cmd.Process.Signal(syscall.SIGTERM) }

// Signal sends any signal.
func (d *Daemon) Signal(s os.Signal) error { return d.cmd.Process.Signal(s) }

// Wait waits for the end, which somebody has asked for. It gives the exit status,
// -1 after a signal.
func (d *Daemon) Wait(ctx context.Context) (status int, err error) {
	select {
	case <-d.ended:
		return d.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for ingestd to end: %w", ctx.Err())
	}
}

// Stop drains it, and fails unless it ends with status 0.
func (d *Daemon) Stop(ctx context.Context) error {
	if err := d.Term(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end ingestd: %w", err)
	}
	status, err := d.Wait(ctx)
	if err == nil && status != 0 {
		err = d.gone()
	}
	return err
}

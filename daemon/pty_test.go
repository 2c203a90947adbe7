package daemon

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// onTerminal is a program that runs on a terminal of its own.
type onTerminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	read sync.WaitGroup

	mu   sync.Mutex
	said bytes.Buffer
	more chan struct{} // closed with the next that is said, and at the end
	end  bool
}

// startOnTerminal runs the program on a terminal of 80 by 24.
func startOnTerminal(t *testing.T, dir string, env []string, args ...string) *onTerminal {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine has no pseudo terminals: %v", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	fd := int(ours.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err != nil {
		t.Fatal(err)
	}
	its, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &onTerminal{t: t, cmd: exec.Command(program, args...), more: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = dir, append(os.Environ(), env...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = its, its, its
	err = p.cmd.Start()
	_ = its.Close()
	if err != nil {
		t.Fatal(err)
	}
	p.read.Go(func() {
		for piece := make([]byte, 4096); ; {
			n, err := ours.Read(piece)
			p.mu.Lock()
			p.said.Write(piece[:n])
			p.end = err != nil
			close(p.more)
			p.more = make(chan struct{})
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// await waits until what it has said is fine.
func (p *onTerminal) await(fine func(said string) bool) {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		p.mu.Lock()
		said, more, end := p.said.String(), p.more, p.end
		p.mu.Unlock()
		if fine(said) {
			return
		}
		if end {
			p.t.Fatalf("it has ended, and said %q", said)
		}
		select {
		case <-more:
		case <-timeout:
			p.t.Fatalf("it says %q", said)
		}
	}
}

// stop interrupts it, and gives all that it has said, and its exit status.
func (p *onTerminal) stop() (said string, status int) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	p.read.Wait() // the terminal hangs up with the end of the program
	_ = p.cmd.Wait()
	return p.said.String(), p.cmd.ProcessState.ExitCode()
}

// times gives a condition for await.
func times(n int, text string) func(string) bool {
	return func(said string) bool { return strings.Count(said, text) >= n }
}

package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/internal/long"
)

// No ack precedes the sync of what it is about: the system calls of the daemon are
// traced, and for each ack frame that it writes to a socket every message that the
// frame is about must have been written to the disk, and a sync of that file must
// have begun after that and ended before the ack.
func TestNoAckBeforeItsSync(t *testing.T) {
	for _, c := range []struct {
		name, file string // where messages must be
		args       []string
	}{
		{"spool", ".seg", []string{"--set=delivery.spool=true", "--set=transport.websocket.ack=spooled"}},
		{"sqlite", "-wal", nil},
		{"sqlite behind a spool", "-wal", []string{"--set=delivery.spool=true"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			trace := filepath.Join(dir, "trace")
			d := startTraced(t, dir, []string{
				"-o", trace, "-y", "-s", "1000000", "-e", "signal=none",
				"-e", "trace=write,pwrite64,writev,sendto,fsync,fdatasync",
			}, append(c.args, "--set=router.batch_wait=50ms")...)
			const clients, streams = 4, 5
			each(t, clients, func(i int) error {
				x := d.dial(fmt.Sprintf("?client=%d", i))
				last := int64(0)
				for n := range long.Scale(100, 6000) {
					for s := range streams {
						id := i*streams + s
						last = int64(n + 1)
						err := x.send(fmt.Sprintf(`{"id":%d,"seq":%d,"data":"mark-%d-%d-"}`, id, last, id, last))
						if err != nil {
							return err
						}
					}
					if n%10 == 0 { // so that there are many acks, and many messages for each sync
						if err := x.waitAck(strconv.Itoa(i*streams), last); err != nil {
							return err
						}
					}
				}
				return x.waitAck(strconv.Itoa(i*streams), last)
			})
			d.stop()
			acks, err := checkTrace(trace, c.file)
			if err != nil {
				t.Error(err)
			}
			if least := long.Scale(200, 10_000); acks < least {
				t.Errorf("the trace has %d acks; it should be at least %d", acks, least)
			}
		})
	}
}

// startTraced runs the program under strace.
func startTraced(t *testing.T, dir string, flags []string, args ...string) *daemon {
	t.Helper()
	path, err := plain()
	must(t, err)
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is missing: the Debian package strace has it")
	}
	return startCommand(t, append(append([]string{strace, "-f"}, flags...), path), dir, args...).ready()
}

// program is the process of the program itself, where the command traces it. A
// tracer ends with what it traces, but not the other way round.
func (d *daemon) program() *os.Process {
	if !d.traced {
		return d.cmd.Process
	}
	pid := strconv.Itoa(d.cmd.Process.Pid)
	text, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	child, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || bad != nil {
		return d.cmd.Process // the program has ended
	}
	p, err := os.FindProcess(child)
	must(d.t, err)
	return p
}

var (
	call    = regexp.MustCompile(`^\d+ +(\w+)\((\d+)(?:<([^>]*)>)?`)
	resumed = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>`)
	mark    = regexp.MustCompile(`mark-(\d+)-(\d+)-`)
	ack     = regexp.MustCompile(`\\"op\\":\\"ack\\",\\"id\\":(\d+),\\"seq\\":(\d+)`)
)

// checkTrace reads what strace wrote. file is how the name of the file ends in
// which messages must be.
func checkTrace(path, file string) (acks int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	c := &traceChecker{file: file, written: map[string]map[place]bool{}, durable: map[place]bool{}, begun: map[string]func(bool){}, acked: map[int]int{}}
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 64<<20)
	for scanner.Scan() {
		if err := c.line(scanner.Text()); err != nil {
			return c.acks, err
		}
	}
	return c.acks, scanner.Err()
}

// place is a message in a trace.
type place struct{ id, seq int }

// traceChecker follows what is written and synced.
type traceChecker struct {
	file    string
	written map[string]map[place]bool // by file: not synced yet
	durable map[place]bool
	begun   map[string]func(ok bool) // what follows when the call of a thread has ended
	acks    int
	acked   map[int]int // up to which number of each id
}

// line takes one line: a call, its beginning, or its end.
func (c *traceChecker) line(line string) error {
	thread, _, _ := strings.Cut(line, " ")
	if m := resumed.FindStringSubmatch(line); m != nil {
		if end := c.begun[thread]; end != nil {
			end(succeeded(line))
		}
		delete(c.begun, thread)
		return nil
	}
	m := call.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	name, file := m[1], m[3]
	for _, a := range ack.FindAllStringSubmatch(line, -1) {
		c.acks++
		id, _ := strconv.Atoi(a[1])
		seq, _ := strconv.Atoi(a[2])
		for ; c.acked[id] < seq; c.acked[id]++ {
			n := c.acked[id] + 1
			if !c.durable[place{id, n}] {
				return fmt.Errorf("message %d of id %d was acked before it was synced: %.300s", n, id, line)
			}
		}
	}
	end := c.end(name, file, line)
	switch {
	case end == nil:
	case strings.Contains(line, "<unfinished ...>"):
		c.begun[thread] = end
	default:
		end(succeeded(line))
	}
	return nil
}

// end gives what is to be done once a call has ended, if anything.
func (c *traceChecker) end(name, file, line string) func(ok bool) {
	if !strings.HasSuffix(file, c.file) {
		return nil
	}
	switch name {
	case "write", "pwrite64", "writev":
		marks := mark.FindAllStringSubmatch(line, -1)
		return func(ok bool) {
			for _, m := range marks {
				id, _ := strconv.Atoi(m[1])
				seq, _ := strconv.Atoi(m[2])
				if ok {
					if c.written[file] == nil {
						c.written[file] = map[place]bool{}
					}
					c.written[file][place{id, seq}] = true
				}
			}
		}
	case "fsync", "fdatasync":
		covered := c.written[file]
		c.written[file] = nil
		return func(ok bool) {
			for p := range covered {
				if ok {
					c.durable[p] = true
				}
			}
		}
	}
	return nil
}

// succeeded tells whether a line ends with a result that is no error.
func succeeded(line string) bool {
	at := strings.LastIndex(line, " = ")
	return at >= 0 && !strings.HasPrefix(line[at+3:], "-1")
}

// The checker is what that test rests on: it must find an ack that comes too early.
func TestTraceChecker(t *testing.T) {
	const (
		write  = `7 write(3</d/1.seg>, "..mark-1-1-..", 20) = 20` + "\n"
		sync   = `8 fdatasync(3</d/1.seg>) = 0` + "\n"
		begins = `8 fdatasync(3</d/1.seg> <unfinished ...>` + "\n"
		ends   = `8 <... fdatasync resumed>) = 0` + "\n"
		fails  = `8 fdatasync(3</d/1.seg>) = -1 EIO (Input/output error) (INJECTED)` + "\n"
		other  = `8 fdatasync(3</d/2.seg>) = 0` + "\n"
		acked  = `9 write(9<TCP:[1->2]>, "\201\33{\"op\":\"ack\",\"id\":1,\"seq\":1}", 30) = 30` + "\n"
	)
	for name, c := range map[string]struct {
		trace string
		ok    bool
	}{
		"in order":                       {write + sync + acked, true},
		"in order, with another between": {write + begins + other + ends + acked, true},
		"no sync":                        {write + acked, false},
		"sync before the write":          {sync + write + acked, false},
		"sync begins before the write":   {begins + write + ends + acked, false},
		"sync not ended":                 {write + begins + acked + ends, false},
		"sync fails":                     {write + fails + acked, false},
		"sync of another file":           {write + other + acked, false},
	} {
		path := filepath.Join(t.TempDir(), "trace")
		must(t, os.WriteFile(path, []byte(c.trace), 0o600))
		acks, err := checkTrace(path, ".seg")
		if (err == nil) != c.ok || acks != 1 {
			t.Errorf("%s: %d acks, %v", name, acks, err)
		}
	}
}

package attack

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // reads what was stored

	"github.com/ingestd/ingestd/internal/child"
	"github.com/ingestd/ingestd/internal/child/childtest"
	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/internal/long"
)

// target is the daemon that is attacked, and the client that behaves.
type target struct {
	t      *testing.T
	dir    string
	daemon *child.Daemon
	log    *buffer // all that the daemon says
	files  int     // that it had open, and
	memory int64   // its bytes, before the attack

	slowest map[string]int // milliseconds, by the attack: see ends
	*behaved
}

// plan is how a target is made.
type plan struct {
	config string   // of the daemon: a file, with %DIR% for its directory
	args   []string // of the command line
	limit  int      // of open files; 0: as it is
	header http.Header
	http   *http.Client
	brief  bool // nothing is measured
}

// together lets the short forms of tests that mostly wait run at the same time. The
// long ones measure.
func together(t *testing.T) {
	if !long.On() {
		t.Parallel()
	}
}

// each message is stored at once, so that acks tell how long that took.
var always = []string{
	"--set=transport.websocket.listen=127.0.0.1:0", "--set=admin.listen=127.0.0.1:0",
	"--set=router.batch_size=1", "--set=router.batch_wait=50ms", "--set=log.level=debug",
}

func start(t *testing.T, args ...string) *target {
	t.Helper()
	return startAs(t, plan{args: args})
}

func startAs(t *testing.T, p plan) *target {
	t.Helper()
	x := &target{t: t, dir: directory(t), log: &buffer{}, slowest: make(map[string]int)}
	command := child.Command{Path: childtest.Program(t), Args: []string{"run"}, Dir: x.dir, Log: x.log}
	if p.config != "" {
		x.write("config.hcl", p.config)
		command.Args = append(command.Args, "--config=config.hcl")
	}
	command.Args = append(append(command.Args, always...), p.args...)
	if p.limit > 0 {
		script := fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, p.limit)
		command.Path, command.Args = "/bin/sh", append([]string{"-c", script, command.Path}, command.Args...)
	}
	d, err := child.Start(command)
	if err != nil {
		t.Fatal(err)
	}
	x.daemon = d
	t.Cleanup(func() {
		d.Kill()
		if t.Failed() {
			t.Logf("the last that ingestd said:\n%s", d.Log())
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), childtest.Patience)
	defer cancel()
	if _, err := d.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	x.behaved = behave(t, x.url("ws", "wss"), p.header, p.http)
	x.serves()
	if !p.brief {
		x.calm()
	}
	x.files, x.memory = x.open(), x.resident("VmRSS")
	return x
}

// directory is for the daemon's files. Those of the long form are in memory, if
// there is room: a disk that stalls now and then would be all that is measured.
func directory(t *testing.T) string {
	t.Helper()
	const memory = "/dev/shm"
	var free syscall.Statfs_t
	if !long.On() || syscall.Statfs(memory, &free) != nil || int64(free.Bavail)*free.Bsize < 4<<30 {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "ingestd-attack-") //nolint:usetesting // not in memory
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// write writes a file of the target's directory.
func (x *target) write(name, text string) {
	x.t.Helper()
	text = strings.ReplaceAll(text, "%DIR%", x.dir)
	if err := os.WriteFile(filepath.Join(x.dir, name), []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
}

// url is where the daemon listens: the first that begins with one of these schemes.
func (x *target) url(schemes ...string) string {
	x.t.Helper()
	for word := range strings.FieldsSeq(lines(x.log.String(), " ready: ")) {
		for _, part := range strings.FieldsFunc(word, func(r rune) bool { return strings.ContainsRune(`,="[]`, r) }) {
			if scheme, _, ok := strings.Cut(part, "://"); ok && slices.Contains(schemes, scheme) {
				return part
			}
		}
	}
	x.t.Fatalf("it does not listen at %v:\n%s", schemes, x.log.String())
	return ""
}

// address is the host and the port of it.
func (x *target) address(schemes ...string) string {
	x.t.Helper()
	if len(schemes) == 0 {
		schemes = []string{"ws", "wss"}
	}
	_, rest, _ := strings.Cut(x.url(schemes...), "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// open is how many files the daemon has open.
func (x *target) open() int {
	x.t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", x.daemon.Pid()))
	if err != nil {
		x.t.Fatal(err)
	}
	return len(files)
}

// resident is how much memory the daemon has (VmRSS), or had at most (VmHWM), in
// bytes.
func (x *target) resident(field string) int64 {
	x.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", x.daemon.Pid()))
	if err != nil {
		x.t.Fatal(err)
	}
	m := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		x.t.Fatalf("there is no %s", field)
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n << 10
}

// rounds lets a test attack several times in the long form, and measures what the
// client that behaves gets before, between and after: what disturbs the machine for
// a while disturbs both.
func (x *target) rounds() iter.Seq[int] {
	return func(attack func(int) bool) {
		n := long.Scale(1, 3)
		if x.saturated {
			n = 1
		}
		for i := range n {
			if !attack(i) {
				return
			}
			x.recovers()
			if long.On() {
				x.forget()
				x.look() // streams whose sender is gone are ended
				x.calm()
			}
		}
	}
}

// recovers waits until the daemon has no more files open than before the attack.
func (x *target) recovers() {
	x.t.Helper()
	eventually(x.t, fmt.Sprintf("the daemon closes files: there were %d", x.files), func() bool { return x.open() <= x.files })
}

// fine expects that the client that behaves has lost nothing, that its connection
// held, and that the daemon ends as it should.
func (x *target) fine() {
	x.t.Helper()
	x.serves()
	x.finish()
	ctx, cancel := context.WithTimeout(context.Background(), childtest.Patience)
	defer cancel()
	if err := x.daemon.Stop(ctx); err != nil {
		x.t.Error(err)
	}
	x.judge()
}

// judge expects that all that the client that behaves has sent is stored. The
// daemon has ended.
func (x *target) judge() {
	x.t.Helper()
	tables, err := drill.OpenSQLite(filepath.Join(x.dir, "ingest.db"))
	if err != nil {
		x.t.Fatal(err)
	}
	defer func() { _ = tables.Close() }()
	judge := drill.NewJudge(x.run, []*drill.Ledger{x.ledger})
	err = tables.Rows(context.Background(), func(r drill.Row) {
		if r.Client == x.ledger.Client {
			judge.Add(r)
		}
	})
	v := judge.Verdict()
	if err != nil || !v.Fine() || v.Acked != v.Sent {
		x.t.Errorf("the client that behaves: %+v, %v", v, err)
	}
	if log := x.log.String(); strings.Contains(log, "panic") || strings.Contains(log, "too many open files") {
		x.t.Errorf("the log has a panic, or too many open files:\n%s", lines(log, "panic", "too many open files"))
	}
}

// lines are those of a log that have one of these texts.
func lines(log string, texts ...string) (found string) {
	for line := range strings.Lines(log) {
		if slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(line, s) }) {
			found += line
		}
	}
	return found
}

// eventually waits until ok says so, which looks from outside at what nobody
// announces.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(childtest.Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in vain: %s", what)
		}
	}
}

// buffer keeps a log.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

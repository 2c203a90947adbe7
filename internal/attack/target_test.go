package attack

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // reads what was stored

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/client"
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
	x := &target{t: t, dir: t.TempDir(), log: &buffer{}}
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
	if long.On() {
		x.look() // what is left of the attack
		x.calm()
	}
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

// behaved is a client with a name that sends a little, all the time.
type behaved struct {
	t      *testing.T
	run    drill.Run
	ledger *drill.Ledger
	client *client.Client
	quit   chan struct{}
	work   sync.WaitGroup
	once   sync.Once

	coarse bool // the attack is as large as messages are allowed to be: it may take its time

	mu    sync.Mutex
	sent  map[string][]sending
	took  []time.Duration // since the last look
	calms [][]time.Duration
	waves [][]time.Duration // under attack
	lost  []string          // what its library says: nothing, unless the connection was lost
}

type sending struct {
	n  int64
	at time.Time
}

// pace is the time between two of its messages.
const pace = 4 * time.Millisecond

func behave(t *testing.T, url string, header http.Header, over *http.Client) *behaved {
	t.Helper()
	b := &behaved{
		t: t, run: drill.Run(fmt.Sprintf("attack-%x", rand.Uint64())), ledger: drill.NewLedger("behaved", true),
		quit: make(chan struct{}), sent: make(map[string][]sending),
	}
	ctx, cancel := context.WithTimeout(context.Background(), childtest.Patience)
	defer cancel()
	var err error
	b.client, err = client.Dial(ctx, url, client.Options{
		Name: b.ledger.Client, Header: header, HTTPClient: over, Acked: b.acked,
		Refused: func(r client.Refusal) { b.complain(r.Error()) },
		Logger:  hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: complaints{b}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.work.Go(b.send)
	t.Cleanup(func() {
		b.once.Do(func() { close(b.quit) })
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = b.client.Close(ctx)
		b.work.Wait()
	})
	return b
}

func (b *behaved) send() {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-b.quit:
			return
		}
		id := fmt.Sprintf("behaved-%d", i%20)
		n := b.ledger.Next(id)
		b.mu.Lock()
		b.sent[id] = append(b.sent[id], sending{n, time.Now()})
		b.mu.Unlock()
		err := b.client.Send(context.Background(), client.Message{
			ID: id, Seq: n, Time: drill.Time(n), Code: drill.Code(n), Data: b.run.Payload(drill.Key{Sender: b.ledger.Sender, ID: id}, n),
		})
		if err != nil {
			b.complain(err.Error())
			return
		}
	}
}

func (b *behaved) acked(id string, seq int64) {
	b.ledger.Acked(id, seq)
	b.mu.Lock()
	defer b.mu.Unlock()
	now, waiting := time.Now(), b.sent[id]
	for len(waiting) > 0 && waiting[0].n <= seq {
		b.took = append(b.took, now.Sub(waiting[0].at))
		waiting = waiting[1:]
	}
	b.sent[id] = waiting
}

func (b *behaved) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = append(b.lost, text)
}

type complaints struct{ of *behaved }

func (c complaints) Write(p []byte) (int, error) {
	c.of.complain(string(p))
	return len(p), nil
}

// serves waits for acks of what is sent from now on.
func (b *behaved) serves() {
	b.t.Helper()
	_, before, _ := b.ledger.Counts()
	sent, _, _ := b.ledger.Counts()
	eventually(b.t, "the client that behaves is served", func() bool {
		_, acked, _ := b.ledger.Counts()
		return acked > max(before, sent)+10
	})
}

// calm measures what the client gets without an attack, and wave under one: what
// was acked since the last look.
func (b *behaved) calm() { b.calms = append(b.calms, b.look()) }
func (b *behaved) wave() { b.waves = append(b.waves, b.look()) }

// samples is how many acks a look waits for.
func samples() int { return long.Scale(50, 1000) }

func (b *behaved) look() (took []time.Duration) {
	b.t.Helper()
	eventually(b.t, "the client that behaves gets acks", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.took) >= samples()
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	took, b.took = b.took, nil
	return took
}

// finish ends the client once all is acked, and says how it fared.
func (b *behaved) finish() {
	b.t.Helper()
	b.once.Do(func() { close(b.quit) })
	b.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), childtest.Patience)
	defer cancel()
	if err := b.client.Close(ctx); err != nil {
		b.t.Errorf("the client that behaves: %v", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lost) > 0 {
		b.t.Errorf("the client that behaves says: %s", strings.Join(b.lost, "; "))
	}
	if len(b.waves) == 0 {
		return
	}
	calm, wave := p99(b.calms), p99(b.waves)
	worst := calm // other programs may have disturbed one look
	for _, look := range b.calms {
		worst = max(worst, p99([][]time.Duration{look}))
	}
	sent, _, _ := b.ledger.Counts()
	b.t.Logf("FIGURE behaved: %d messages, p99 of its acks %v without and %v under the attack", sent,
		calm.Round(10*time.Microsecond), wave.Round(10*time.Microsecond))
	if long.On() && !b.coarse && wave > max(2*worst, noise) {
		b.t.Errorf("p99 of the acks rises from %v to %v", worst, wave)
	}
}

// noise is a p99 that says nothing: two time slices of the scheduler, where the
// attacker takes turns with the daemon on the same processors.
const noise = 20 * time.Millisecond

// p99 is the median of those of the looks.
func p99(looks [][]time.Duration) time.Duration {
	all := make([]time.Duration, 0, len(looks))
	for _, took := range looks {
		slices.Sort(took)
		all = append(all, took[len(took)*99/100])
	}
	slices.Sort(all)
	return all[len(all)/2]
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

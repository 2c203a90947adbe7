package attack

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/child/childtest"
	"github.com/ingestd/ingestd/internal/long"
)

// orderVariable tells the test's binary that it is an attacker, and what to do.
const orderVariable = "INGEST_ATTACK"

// order is what an attacker is told.
type order struct {
	Attack  string // one of attacks
	Address string // host and port
	N       int    // how many: the attack says of what
	Text    string // what else there is to know
}

// report is one line that an attacker says.
type report struct {
	Event  string
	Counts map[string]int
	Texts  []string
}

// attacks are what can be ordered. Each file of attacks has its own.
var attacks = merge(holdAttacks, slowAttacks, frameAttacks, doorAttacks, contentAttacks, floodAttacks, drainAttacks)

func merge(all ...map[string]func(*attacker) error) map[string]func(*attacker) error {
	m := make(map[string]func(*attacker) error)
	for _, some := range all {
		maps.Copy(m, some)
	}
	return m
}

// attacker is the process that attacks.
type attacker struct {
	order
	released chan struct{} // closed once the test has seen enough

	mu  sync.Mutex
	out *json.Encoder
}

// runAttack is the main function of that process.
func runAttack(text string) int {
	a := &attacker{released: make(chan struct{}), out: json.NewEncoder(os.Stdout)}
	if err := json.Unmarshal([]byte(text), &a.order); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // it ends with the test, too
		close(a.released)
	}()
	do := attacks[a.Attack]
	if do == nil {
		fmt.Fprintf(os.Stderr, "there is no attack %q\n", a.Attack)
		return 2
	}
	if err := do(a); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", a.Attack, err)
		return 1
	}
	return 0
}

// tell tells the test.
func (a *attacker) tell(event string, counts map[string]int, texts ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.out.Encode(report{event, counts, texts})
}

// each does f for 0 to n-1, some at the same time, and gives the first error.
func (a *attacker) each(n int, f func(i int) error) error {
	var group sync.WaitGroup
	var mu sync.Mutex
	var first error
	next := make(chan int)
	for range min(n, 50) {
		group.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					mu.Lock()
					first = cmp.Or(first, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	return first
}

// enemy is an attacker, seen from the test.
type enemy struct {
	t       *testing.T
	order   order
	cmd     *exec.Cmd
	stdin   io.Closer
	reports chan report
	ended   chan error
	once    sync.Once
}

// attack starts an attacker, which ends with the test. In the long form it runs only
// where a processor is idle: it stands for other machines, which take none from the
// daemon.
func attack(t *testing.T, o order) *enemy {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	e := &enemy{t: t, order: o, cmd: exec.Command(os.Args[0]), reports: make(chan report, 1000), ended: make(chan error, 1)}
	if long.On() {
		e.cmd = exec.Command("chrt", "--idle", "0", os.Args[0])
	}
	e.cmd.Env = append(os.Environ(), orderVariable+"="+string(text))
	var complaints strings.Builder
	e.cmd.Stderr = &complaints
	stdin, err := e.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	e.stdin = stdin
	stdout, err := e.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var r report
			if json.Unmarshal(lines.Bytes(), &r) == nil {
				e.reports <- r
			}
		}
		close(e.reports)
		err := e.cmd.Wait()
		if err != nil {
			err = fmt.Errorf("the attacker: %w\n%s", err, complaints.String())
		}
		e.ended <- err
		close(e.ended)
	}()
	t.Cleanup(func() {
		_ = e.cmd.Process.Kill()
		for range e.reports { // until it has ended
		}
		for range e.ended {
		}
	})
	return e
}

// says waits for a report of this event.
func (e *enemy) says(event string) report {
	e.t.Helper()
	timeout := time.After(childtest.Patience)
	for {
		select {
		case r, ok := <-e.reports:
			switch {
			case !ok:
				e.t.Fatalf("%s: the attacker ended before it said %q: %v", e.order.Attack, event, <-e.ended)
			case r.Event == event:
				return r
			}
		case <-timeout:
			e.t.Fatalf("%s: the attacker does not say %q", e.order.Attack, event)
		}
	}
}

// release lets the attacker go on to its end.
func (e *enemy) release() { e.once.Do(func() { _ = e.stdin.Close() }) }

// end releases the attacker and waits until it has done its worst.
func (e *enemy) end() {
	e.t.Helper()
	e.release()
	select {
	case err := <-e.ended:
		if err != nil {
			e.t.Error(err)
		}
	case <-time.After(childtest.Patience):
		e.t.Fatalf("%s: the attacker does not end", e.order.Attack)
	}
}

package attack

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/ingestd/ingestd/internal/long"
)

var holdAttacks = map[string]func(*attacker) error{
	// hold holds N connections that do nothing, until it is released; then each must
	// still be served.
	"hold": func(a *attacker) error {
		conns := make([]*raw, a.N)
		err := a.each(a.N, func(i int) (err error) {
			conns[i], err = a.websocket(i)
			return err
		})
		if err != nil {
			return err
		}
		a.tell("held", map[string]int{"connections": a.N})
		<-a.released
		return a.each(a.N, func(i int) error {
			if _, err := conns[i].Write(text(`{"op":"flush"}`)); err != nil {
				return fmt.Errorf("connection %d: %w", i, err)
			}
			if _, answer, err := conns[i].next(); err != nil || !strings.Contains(string(answer), "flush") {
				return fmt.Errorf("connection %d: %s, %w", i, answer, err)
			}
			return conns[i].Close()
		})
	},

	// knock asks N times for a connection, and holds what it gets.
	"knock": func(a *attacker) error {
		counts := make(map[string]int)
		held := make([]*raw, 0, a.N)
		for i := range a.N {
			c, err := a.dial(i)
			if err != nil {
				return err
			}
			r, err := c.ask("/ws")
			switch {
			case err != nil:
				counts["closed"]++
			case r.StatusCode == http.StatusSwitchingProtocols:
				counts["held"]++
				held = append(held, c)
				continue
			case r.StatusCode == http.StatusServiceUnavailable && r.Header.Get("Retry-After") != "":
				counts["503"]++
			default:
				counts[r.Status]++
			}
			_ = c.Close()
		}
		a.tell("knocked", counts)
		<-a.released
		for _, c := range held {
			_ = c.Close()
		}
		return nil
	},

	// churn connects and disconnects N times, in every way.
	"churn": func(a *attacker) error {
		err := a.each(a.N, func(i int) error {
			c, err := a.websocket(i % 20_000)
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }()
			switch i % 4 {
			case 0: // politely
				_, _ = c.Write(text(fmt.Sprintf(`{"id":"churn %d","data":%d}`, i%100, i)))
				_, _ = c.Write(of(0x88, "\x03\xe8"))
				if code := c.outcome(false); code != 1000 {
					return fmt.Errorf("a close is answered with %d", code)
				}
			case 1: // without a word
				_, _ = c.Write(text(fmt.Sprintf(`{"id":"churn %d","data":%d}`, i%100, i)))
			case 2: // as a process that is killed
				_ = c.Conn.(interface{ SetLinger(int) error }).SetLinger(0)
			case 3: // in the middle of a frame
				_, _ = c.Write(text(`{"id":"churn"}`)[:9])
			}
			return nil
		})
		a.tell("churned", nil)
		<-a.released
		return err
	},
}

// noPings lets the attackers stay, who would not answer them.
const noPings = "--set=transport.websocket.ping_interval=0s"

// idleBytes is the most that a connection may cost that does nothing.
const idleBytes = 25 << 10

// X1, and a part of X2: many connections that do nothing are held, the next one is
// refused, and nobody else notices.
func TestHeldConnections(t *testing.T) {
	n := long.Scale(500, 15_000)
	x := start(t, fmt.Sprintf("--set=transport.websocket.max_connections=%d", n+1), noPings)
	for round := range x.rounds() {
		e := attack(t, order{Attack: "hold", Address: x.address(), N: n})
		e.says("held")
		x.forget() // what was sent while they came
		each := (x.resident("VmRSS") - x.memory) / int64(n)
		late := attack(t, order{Attack: "knock", Address: x.address(), N: 10})
		if r := late.says("knocked"); r.Counts["503"] != 10 {
			t.Errorf("the next ones: %v, want 503 with Retry-After", r.Counts)
		}
		late.end()
		x.wave()
		if open := x.open(); open < n {
			t.Errorf("%d files are open, with %d connections", open, n)
		}
		e.end()
		t.Logf("FIGURE X1: %d held, %d bytes of resident memory each", n, each)
		// Later, garbage of the connections before may be there, too.
		if long.On() && round == 0 && each > idleBytes {
			t.Errorf("a connection that does nothing costs %d bytes, more than %d", each, idleBytes)
		}
	}
	x.fine()
}

// X2: the limit of open files is never reached. What is past it is refused with
// 503, and everything else goes on.
func TestPastTheFileLimit(t *testing.T) {
	limit := long.Scale(800, 20_000)
	x := startAs(t, plan{limit: limit, args: []string{noPings}})
	served := limit - 256
	for range x.rounds() {
		counts := make(map[string]int)
		attackers := long.Scale(1, 2)
		enemies := make([]*enemy, attackers)
		for i := range enemies {
			enemies[i] = attack(t, order{Attack: "knock", Address: x.address(), N: (limit + 200) / attackers})
		}
		for _, e := range enemies {
			for what, n := range e.says("knocked").Counts {
				counts[what] += n
			}
		}
		x.forget() // what was sent while they came
		x.wave()
		want := map[string]int{"held": served - 1, "503": limit + 200 - served + 1}
		for what, n := range counts {
			if want[what] != n {
				t.Errorf("%d connections: %v, want %v", limit+200, counts, want)
			}
		}
		if open := x.open(); open >= limit {
			t.Errorf("%d files are open, of %d", open, limit)
		}
		r, err := http.Get(x.daemon.Admin() + "/healthz")
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("the admin server: %v, %v", r, err)
		}
		_ = r.Body.Close()
		t.Logf("FIGURE X2: limit %d: %v", limit, counts)
		for _, e := range enemies {
			e.end()
		}
		http.DefaultClient.CloseIdleConnections()
	}
	x.fine()
}

// goroutine begins each goroutine of the traces that a process leaves behind.
var goroutine = regexp.MustCompile(`(?m)^goroutine \d+ `)

// traces ends the daemon with the traces of its goroutines, and counts them.
func (x *target) traces() int {
	x.t.Helper()
	x.finish()
	if err := x.daemon.Signal(syscall.SIGQUIT); err != nil {
		x.t.Fatal(err)
	}
	<-x.daemon.Ended()
	n := 0
	for trace := range strings.SplitSeq(x.log.String(), "\n\n") {
		// What is being delivered has goroutines of the engine, as many as it lets be
		// at once, whoever sent it.
		if goroutine.MatchString(trace) && !strings.Contains(trace, "engine.(*writer).spawn") {
			n++
		}
	}
	return n
}

// N4: connections that come and go leave nothing behind: no files, no goroutines,
// no memory.
func TestChurn(t *testing.T) {
	// A sink without caches, which would grow with what is stored.
	p := plan{config: `sink "stdout" { }`, args: []string{"--set=router.idle_timeout=100ms", "--set=log.level=info"}}
	fresh := startAs(t, p).traces()
	x := startAs(t, p)
	x.saturated = true // as many handshakes as it can do
	n := long.Scale(2000, 50_000)
	round := func() int64 {
		e := attack(t, order{Attack: "churn", Address: x.address(), N: n})
		e.says("churned")
		x.wave()
		e.end()
		x.recovers()
		return x.resident("VmRSS")
	}
	first, second := round(), round()
	t.Logf("FIGURE N4: %d connections; resident %d KiB after half of them, %d KiB after all", 2*n, first>>10, second>>10)
	if long.On() && second > first+first/10+(4<<20) {
		t.Errorf("the memory grows: from %d to %d bytes", first, second)
	}
	x.serves()
	// Workers of the runtime come and go by themselves: a few more are no leak of
	// thousands of connections.
	if after := x.traces(); after > fresh+10 {
		t.Errorf("%d goroutines, %d in one that is fresh:\n%s", after, fresh, x.log.String())
	}
}

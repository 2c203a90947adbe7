package attack

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/long"
)

var floodAttacks = map[string]func(*attacker) error{
	// unfinished begins a frame on each of N connections, and sends ten bytes of it a
	// second; or, with Text "fragments", as many fragments, of a message that never
	// ends. It tells how the connections end.
	"unfinished": func(a *attacker) error {
		return a.outcomes(func(c *raw) {
			if a.Text == "fragments" {
				_, _ = c.Write(of(0x01, `{"id":"`))
				c.slowly(of(0x00, "x"))
				return
			}
			_, _ = c.Write(frame(0x81, 100_000, `{"id":"`))
			c.slowly([]byte("x"))
		})
	},

	// fragments sends empty ones without end, on each of N connections, after one
	// that is not; with Text "small", they have a byte each.
	"fragments": func(a *attacker) error {
		return a.outcomes(func(c *raw) {
			payload := ""
			if a.Text == "small" {
				payload = " "
			}
			_, _ = c.Write(of(0x01, `{"id"`))
			c.forEver(bytes.Repeat(of(0x00, payload), 1000))
		})
	},

	// pings sends pings without end, and reads nothing until the connection ends.
	"pings": func(a *attacker) error {
		return a.outcomes(func(c *raw) { c.forEver(bytes.Repeat(of(0x89, "hello"), 1000)) })
	},

	// deaf sends on each of N connections what has to be answered, and reads none
	// of it, until it is released. It tells how many connections it was refused.
	"deaf": func(a *attacker) error {
		conns := make([]*raw, a.N)
		var refused atomic.Int64
		err := a.each(a.N, func(i int) (err error) {
			if conns[i], err = a.dial(i); err != nil {
				return err
			}
			_ = conns[i].Conn.(interface{ SetReadBuffer(int) error }).SetReadBuffer(4096)
			r, err := conns[i].ask("/ws")
			if err == nil && r.StatusCode != http.StatusSwitchingProtocols {
				refused.Add(1)
				err = conns[i].Close()
			}
			return err
		})
		if err != nil {
			return err
		}
		a.tell("begun", map[string]int{"refused": int(refused.Load())})
		_ = a.eachAtOnce(func(i int) error {
			c := conns[i]
			defer func() { _ = c.Close() }()
			go func() {
				<-a.released
				_ = c.Close()
			}()
			c.forEver(text(strings.Repeat(`{"op":"nothing","id":"deaf"}`, 1000)))
			return nil
		})
		a.tell("ended", nil)
		return nil
	},

	// bomb offers compression, and sends N MiB of zeros as little as they can be.
	"bomb": func(a *attacker) error {
		c, err := a.dial(0)
		if err != nil {
			return err
		}
		r, err := c.ask("/ws", "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover")
		if err != nil {
			return err
		}
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, flate.BestCompression)
		spaces := bytes.Repeat([]byte(" "), 1<<20)
		for range a.N {
			_, _ = w.Write(spaces)
		}
		_ = w.Flush()
		payload := strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
		_, _ = c.Write(of(0xC1, payload))
		a.tell("answered", map[string]int{"code": c.outcome(true), "bytes": len(payload)}, r.Header.Get("Sec-WebSocket-Extensions"))
		return c.Close()
	},

	// ids sends N messages of as many ids over one connection, and tells how many
	// were taken and refused.
	"ids": func(a *attacker) error {
		c, err := a.websocket(0)
		if err != nil {
			return err
		}
		counts := make(map[string]int)
		done := make(chan error, 1)
		go func() {
			for {
				_, b, err := c.next()
				if err != nil {
					done <- err
					return
				}
				var answer struct{ Op, Code string }
				_ = json.Unmarshal(b, &answer)
				if answer.Op == "flush" {
					done <- nil
					return
				}
				counts[answer.Op+answer.Code]++
			}
		}()
		var b strings.Builder
		for i := range a.N {
			fmt.Fprintf(&b, `{"id":"flood-%s-%d","data":%d}`, a.Text, i, i)
			if b.Len() > 32<<10 || i == a.N-1 {
				if _, err := c.Write(text(b.String())); err != nil {
					return err
				}
				b.Reset()
			}
		}
		if _, err := c.Write(text(`{"op":"flush"}`)); err != nil {
			return err
		}
		if err := <-done; err != nil {
			return err
		}
		a.tell("flushed", counts)
		<-a.released // the end of the connection marks its streams done, which needs lanes
		return c.Close()
	},

	// neighbour sends to one id, as fast as it can, until it is released.
	"neighbour": func(a *attacker) error {
		c, err := a.websocket(0)
		if err != nil {
			return err
		}
		go func() { _, _ = io.Copy(io.Discard, c.r) }()
		a.tell("begun", nil)
		n := 0
		for b := text(strings.Repeat(`{"id":"noisy","data":1}`, 100)); ; n += 100 {
			if _, err := c.Write(b); err != nil {
				return err
			}
			select {
			case <-a.released:
				a.tell("sent", map[string]int{"messages": n + 100})
				_ = c.Conn.(interface{ SetLinger(int) error }).SetLinger(0) // what waits is dropped
				return c.Close()
			default:
			}
		}
	},
}

// eachAtOnce does f for each of N at the same time.
func (a *attacker) eachAtOnce(f func(i int) error) error {
	errs := make(chan error, a.N)
	for i := range a.N {
		go func() { errs <- f(i) }()
	}
	var all error
	for range a.N {
		all = errors.Join(all, <-errs)
	}
	return all
}

// outcomes makes N connections, lets each do what do does until it ends, and tells
// how the connections ended, and after which time the last one did.
func (a *attacker) outcomes(do func(*raw)) error {
	codes := make([]int, a.N)
	begun := make(chan time.Time, a.N)
	err := a.eachAtOnce(func(i int) error {
		c, err := a.websocket(i)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		begun <- time.Now()
		go do(c)
		codes[i] = c.outcome(false)
		return nil
	})
	if err != nil {
		return err
	}
	counts := map[string]int{"milliseconds": int(time.Since(<-begun).Milliseconds())}
	for _, code := range codes {
		counts[fmt.Sprint(code)]++
	}
	a.tell("ended", counts)
	return nil
}

// forEver writes b again and again, until nobody takes it any more.
func (c *raw) forEver(b []byte) {
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// slowly writes a little every tenth of a second, until nobody takes it any more.
func (c *raw) slowly(b []byte) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
		<-tick.C
	}
}

// ends expects that all connections of an attack were ended by the daemon, with
// one of these codes.
func (x *target) ends(name, attackName, text string, n int, want ...int) {
	x.t.Helper()
	e := attack(x.t, order{Attack: attackName, Address: x.address(), N: n, Text: text})
	r := e.says("ended")
	closed := 0
	for _, code := range want {
		closed += r.Counts[fmt.Sprint(code)]
	}
	if closed != n {
		x.t.Errorf("%s: the connections ended with %v, want %v", name, r.Counts, want)
	}
	x.slowest[name] = max(x.slowest[name], r.Counts["milliseconds"])
	e.end()
}

// slowestEnds tells how long the connections lasted at most that ends has seen.
func (x *target) slowestEnds() {
	x.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(x.slowest)) {
		x.t.Logf("FIGURE %s: all closed, the last after %d ms", name, x.slowest[name])
	}
}

// X4, X5: a message that has begun must end, however it is sent.
func TestMessagesThatNeverEnd(t *testing.T) {
	together(t)
	x := start(t, "--set=transport.websocket.frame_timeout=1s")
	n := long.Scale(20, 200)
	for range x.rounds() {
		x.ends("X4 slow frame", "unfinished", "", n, 1008, endReset)
		x.ends("X4 slow fragments", "unfinished", "fragments", n, 1008, endReset)
		x.ends("X5 small fragments", "fragments", "small", n, 1008, endReset)
		x.ends("X5 empty fragments", "fragments", "", n, 1008, endReset)
		x.wave()
	}
	x.slowestEnds()
	x.fine()
}

// X8: pings without end, whose pongs nobody reads.
func TestPingFlood(t *testing.T) {
	together(t)
	x := start(t)
	for range x.rounds() {
		x.again(func() { x.ends("X8", "pings", "", long.Scale(5, 100), 1008, endReset) })
		x.wave()
	}
	x.slowestEnds()
	x.fine()
}

// deafBytes is the most that a client may cost that does not read its answers. It
// holds up to 150 KiB: the frame in hand, which has 28 KB here, a burst of answers
// with their headers and without, and 256 that wait. The garbage collector lets that
// double.
const deafBytes = 512 << 10

// X9: who does not read its answers is read from no more, and is cut in the end;
// meanwhile it holds little.
func TestDeafClients(t *testing.T) {
	together(t)
	n := long.Scale(10, 1000)
	x := start(t, "--set=log.level=info")
	x.saturated = true
	for range x.rounds() {
		e := attack(t, order{Attack: "deaf", Address: x.address(), N: n})
		e.says("begun")
		x.wave()
		e.says("ended")
		e.end()
	}
	grown := x.resident("VmHWM") - x.memory
	t.Logf("FIGURE X9: %d clients, the resident memory grew by %d KiB at most, %d each", n, grown>>10, grown>>10/int64(n))
	if most := int64(n)*deafBytes + 64<<20; grown > most {
		t.Errorf("the memory grew by %d bytes, more than %d", grown, most)
	}
	x.fine()
}

// X9, with the limits of docs/security.md.
func TestDeafClientsLimited(t *testing.T) {
	n := long.Scale(100, 1000)
	x := start(t, append(recommended(t), "--set=log.level=info")...)
	for range x.rounds() {
		e := attack(t, order{Attack: "deaf", Address: x.address(), N: n})
		if refused := e.says("begun").Counts["refused"]; refused != n-50 {
			t.Errorf("%d connections are refused, want %d", refused, n-50)
		}
		x.wave()
		e.end()
	}
	x.fine()
}

// recommended are the limits of the example in docs/security.md.
func recommended(t *testing.T) (settings []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"max_connections_per_address", "messages_per_second", "bytes_per_second"} {
		m := regexp.MustCompile(`(?m)^  ` + name + ` += "?(\w+)"?$`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("there is no %s in the example", name)
		}
		settings = append(settings, fmt.Sprintf("--set=transport.websocket.%s=%s", name, m[1]))
	}
	return settings
}

// X7: nothing is compressed unless that is asked for, and then what comes out is
// bounded as everything is.
func TestCompressionBomb(t *testing.T) {
	mib := long.Scale(16, 256)
	for _, on := range []bool{false, true} {
		x := start(t, fmt.Sprintf("--set=transport.websocket.compression=%v", on))
		before := x.resident("VmHWM")
		want := 1002 // a reserved bit
		if on {
			want = 1009
		}
		var r report
		for range x.rounds() {
			x.again(func() {
				e := attack(t, order{Attack: "bomb", Address: x.address(), N: mib})
				r = e.says("answered")
				if r.Counts["code"] != want || (r.Texts[0] != "") != on {
					t.Errorf("compression %v: %v, extensions %q, want %d", on, r.Counts, r.Texts[0], want)
				}
				e.end()
			})
			x.wave()
		}
		grown := x.resident("VmHWM") - before
		t.Logf("FIGURE X7: compression %v: %d MiB in %d bytes: closed with %d, the resident memory grew by %d KiB", on, mib, r.Counts["bytes"], r.Counts["code"], grown>>10)
		if grown > 128<<20 {
			t.Errorf("the memory grew by %d bytes", grown)
		}
		x.fine()
	}
}

// X14: very many ids from one client. No more are live than may be, and the memory
// is bounded; what was taken is stored.
func TestManyIDs(t *testing.T) {
	n := long.Scale(20_000, 1_000_000)
	most := n / 10
	x := start(t, fmt.Sprintf("--set=router.max_streams=%d", most), "--set=log.level=info")
	x.saturated = true // with a rate: TestRate
	for round := range x.rounds() {
		e := attack(t, order{Attack: "ids", Address: x.address(), N: n, Text: fmt.Sprint("many-", round)})
		r := e.says("flushed")
		x.wave()
		for what := range r.Counts {
			if what != "errortoo_many_streams" {
				t.Errorf("answers: %v", r.Counts)
			}
		}
		t.Logf("FIGURE X14: %d ids with max_streams %d: %v", n, most, r.Counts)
		if live := x.streams(); live > most {
			t.Errorf("%d streams are live, of %d", live, most)
		}
		e.end()
	}
	grown := x.resident("VmHWM") - x.memory
	t.Logf("FIGURE X14: the resident memory grew by %d KiB at most", grown>>10)
	if bound := int64(512 << 20); grown > bound {
		t.Errorf("the memory grew by %d bytes, more than %d", grown, bound)
	}
	x.fine()
}

// streams is how many the daemon says are live.
func (x *target) streams() (n int) {
	x.t.Helper()
	ask, err := http.NewRequestWithContext(x.t.Context(), http.MethodGet, x.daemon.Admin()+"/readyz", http.NoBody)
	if err != nil {
		x.t.Fatal(err)
	}
	ask.Header.Set("Accept", "application/json")
	r, err := http.DefaultClient.Do(ask)
	if err != nil {
		x.t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer func() { _ = r.Body.Close() }()
	var status struct {
		Parts []struct{ Name, Detail string }
	}
	if err := json.NewDecoder(r.Body).Decode(&status); err != nil {
		x.t.Fatal(err)
	}
	for _, p := range status.Parts {
		if _, err := fmt.Sscanf(strings.ReplaceAll(p.Detail, ",", ""), "%d streams live", &n); err == nil {
			return n
		}
	}
	x.t.Fatalf("it does not say how many streams are live: %+v", status)
	return 0
}

// X14, the rate: who sends faster than it may is read more slowly, loses nothing,
// and takes nothing from others.
func TestRate(t *testing.T) {
	const rate, seconds = 2000, 3
	x := start(t, fmt.Sprintf("--set=transport.websocket.messages_per_second=%d", rate), "--set=log.level=info")
	for round := range x.rounds() {
		begun := time.Now()
		e := attack(t, order{Attack: "ids", Address: x.address(), N: rate * (seconds + 1), Text: fmt.Sprint("rate-", round)})
		r := e.says("flushed")
		took := time.Since(begun)
		x.wave()
		if len(r.Counts) != 0 {
			t.Errorf("answers: %v", r.Counts)
		}
		// A burst of one second is free; the last frame's share is waited for by nobody.
		if least := (seconds - 1) * time.Second; took < least {
			t.Errorf("%d messages took %v, not even %v", rate*(seconds+1), took, least)
		}
		t.Logf("FIGURE X14: %d messages at %d a second took %v", rate*(seconds+1), rate, took.Round(time.Millisecond))
		e.end()
	}
	x.fine()
}

// X19: one id has nine tenths of the traffic, or as much as it can. The others are
// served.
func TestNoisyNeighbour(t *testing.T) {
	const nine = 9 * int(time.Second/pace)
	for _, rate := range []int{nine, 0} {
		x := start(t, fmt.Sprintf("--set=transport.websocket.messages_per_second=%d", rate), "--set=log.level=info")
		x.saturated = rate == 0
		for range x.rounds() {
			e := attack(t, order{Attack: "neighbour", Address: x.address()})
			e.says("begun")
			begun := time.Now()
			x.wave()
			e.release()
			t.Logf("FIGURE X19: %d messages to one id in %v, beside %d a second to others",
				e.says("sent").Counts["messages"], time.Since(begun).Round(time.Millisecond), time.Second/pace)
			e.end()
		}
		x.fine()
	}
}

// Every attack is ordered by a test.
func TestEveryAttackIsUsed(t *testing.T) {
	var all strings.Builder
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for name := range attacks {
		if !strings.Contains(all.String(), fmt.Sprintf("Attack: %q", name)) && !strings.Contains(all.String(), fmt.Sprintf(", %q, ", name)) {
			t.Errorf("no test orders %q", name)
		}
	}
}

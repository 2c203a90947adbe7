package attack

import (
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/long"
)

var slowAttacks = map[string]func(*attacker) error{
	// slowloris sends N requests, a byte of the header a second, which never end.
	"slowloris": func(a *attacker) error {
		return a.untilClosed(func(c *raw) func() error {
			rest := "GET /ws HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("x", 10_000)
			return func() error {
				_, err := io.WriteString(c, rest[:1])
				rest = rest[1:]
				return err
			}
		})
	},

	// stall begins N handshakes of TLS, and says no more.
	"stall": func(a *attacker) error {
		return a.untilClosed(func(c *raw) func() error {
			first, err := clientHello()
			return func() error {
				if err == nil {
					_, err = c.Write(first[:min(len(first), 40)])
					first = nil
				}
				return err
			}
		})
	},
}

// clientHello is how a handshake of TLS begins.
func clientHello() ([]byte, error) {
	var out recorder
	_ = tls.Client(&out, &tls.Config{ServerName: "x"}).Handshake()
	if len(out.b) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return out.b, nil
}

// recorder keeps what is written, and answers nothing.
type recorder struct {
	raw
	b []byte
}

func (r *recorder) Write(p []byte) (int, error)      { r.b = append(r.b, p...); return len(p), nil }
func (*recorder) Read([]byte) (int, error)           { return 0, io.EOF }
func (*recorder) SetDeadline(time.Time) error        { return nil }
func (*recorder) SetReadDeadline(time.Time) error    { return nil }
func (*recorder) SetWriteDeadline(t time.Time) error { return nil }

// untilClosed makes N connections, and gives each a second, again and again, until
// the server has closed all of them. It tells how long the last one lasted.
func (a *attacker) untilClosed(begin func(*raw) (step func() error)) error {
	var closed atomic.Int64
	var longest atomic.Int64
	done := make(chan struct{})
	conns, steps, born := make([]*raw, a.N), make([]func() error, a.N), make([]time.Time, a.N)
	err := a.each(a.N, func(i int) (err error) {
		if conns[i], err = a.dial(i); err != nil {
			return err
		}
		born[i], steps[i] = time.Now(), begin(conns[i])
		return nil
	})
	if err != nil {
		return err
	}
	for i, c := range conns {
		go func() {
			_, _ = io.Copy(io.Discard, c.Conn)
			lasted := int64(time.Since(born[i]))
			for old := longest.Load(); lasted > old && !longest.CompareAndSwap(old, lasted); old = longest.Load() {
			}
			_ = c.Close()
			if closed.Add(1) == int64(a.N) {
				close(done)
			}
		}()
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for first := true; ; first = false {
		for _, step := range steps {
			_ = step() // what is closed takes no more
		}
		if first {
			a.tell("begun", nil)
		}
		select {
		case <-tick.C:
		case <-time.After(patience):
		case <-done:
			a.tell("closed", map[string]int{"connections": a.N, "milliseconds": int(time.Duration(longest.Load()).Milliseconds())})
			return nil
		case <-a.released:
			return fmt.Errorf("only %d of %d are closed", closed.Load(), a.N)
		}
	}
}

// X3: headers that come slowly, and handshakes of TLS that stall, are cut off.
func TestSlowloris(t *testing.T) {
	together(t)
	n := long.Scale(300, 5000)
	ca := newAuthority(t)
	ca.issue("server", time.Hour)
	x := startAs(t, plan{config: fmt.Sprintf(`
transport "websocket" { }
transport "websocket" "edge" {
  listen = "127.0.0.1:0"
  tls {
    cert = %q
    key  = %q
  }
}`, ca.path("server.pem"), ca.path("server.key"))})
	for range x.rounds() {
		slow := attack(t, order{Attack: "slowloris", Address: x.address("ws"), N: n})
		stalled := attack(t, order{Attack: "stall", Address: x.address("wss"), N: n / 5})
		slow.says("begun")
		stalled.says("begun")
		x.wave()
		for _, e := range []*enemy{slow, stalled} {
			r := e.says("closed")
			t.Logf("FIGURE X3: %s: %d sockets, the last is closed after %d ms", e.order.Attack, r.Counts["connections"], r.Counts["milliseconds"])
			e.end()
		}
	}
	x.fine()
}

package e2e

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// rawClient speaks the protocol only as far as it likes.
type rawClient struct {
	conn net.Conn
	r    *bufio.Reader
}

// dialRaw connects to the daemon's port; the test's end closes the connection.
func (d *daemon) dialRaw() (*rawClient, error) {
	host := strings.TrimSuffix(strings.TrimPrefix(d.url(), "ws://"), "/ws")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	d.t.Cleanup(func() { _ = conn.Close() })
	return &rawClient{conn, bufio.NewReader(conn)}, nil
}

// upgrade makes a websocket of it.
func (c *rawClient) upgrade() error {
	_, err := io.WriteString(c.conn, "GET /ws HTTP/1.1\r\nHost: daemon\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	for line := ""; err == nil && line != "\r\n"; {
		if line, err = c.r.ReadString('\n'); strings.HasPrefix(line, "HTTP/") && !strings.Contains(line, " 101 ") {
			return fmt.Errorf("not upgraded: %s", line)
		}
	}
	return err
}

// frame is a frame with this first byte, of any length that it claims to have. Its
// mask is zero, so that it stands as it is.
func frame(first byte, claimed uint64, payload string) []byte {
	b := append([]byte{first, 0x80 | 127}, binary.BigEndian.AppendUint64(nil, claimed)...)
	return append(append(b, 0, 0, 0, 0), payload...)
}

// whole is a text frame.
func whole(payload string) []byte { return frame(0x81, uint64(len(payload)), payload) }

// write writes until there is an error, or for a while where nobody takes it.
func (c *rawClient) write(b []byte, times int) {
	_ = c.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	for range times {
		if _, err := c.conn.Write(b); err != nil {
			return
		}
	}
}

// attacks are what one connection each does, and then it stays. Those with raw
// begin before any handshake.
var attacks = []struct {
	name string
	raw  bool
	do   func(c *rawClient)
}{
	{"reads no answers", false, func(c *rawClient) {
		c.write(whole(strings.Repeat(`{"op":"nothing","id":"hostile"}`, 1000)), 200)
	}},
	{"reads no acks", false, func(c *rawClient) {
		for i := range 200 {
			c.write(whole(fmt.Sprintf(`{"id":"hostile %d","seq":1}{"op":"done","id":"hostile %d"}`, i, i)), 1)
		}
	}},
	{"a frame over the limit", false, func(c *rawClient) {
		c.write(whole(`{"id":"hostile","data":"`+strings.Repeat("x", 2<<20)+`"}`), 3)
	}},
	{"a gigabyte is claimed", false, func(c *rawClient) { c.write(frame(0x81, 1<<30, "{"), 1) }},
	{"2^63 bytes are claimed", false, func(c *rawClient) { c.write(frame(0x81, 1<<63, "{"), 1) }},
	{"a fragment that never ends", false, func(c *rawClient) {
		c.write(frame(0x01, 5, `{"id"`), 1)
		c.write(frame(0x00, 1, ` `), 1000)
	}},
	{"empty fragments", false, func(c *rawClient) {
		c.write(frame(0x01, 1, `{`), 1)
		c.write(frame(0x00, 0, ``), 20_000)
	}},
	{"half a frame", false, func(c *rawClient) { c.write(whole(`{"id":"hostile"}`)[:12], 1) }},
	{"pings without end", false, func(c *rawClient) { c.write(frame(0x89, 5, "hello"), 20_000) }},
	{"reserved bits", false, func(c *rawClient) { c.write(frame(0xf1, 2, "{}"), 1) }},
	{"a close frame, and more", false, func(c *rawClient) {
		c.write(frame(0x88, 2, "\x03\xe8"), 1)
		c.write(whole(`{"id":"hostile"}`), 10)
	}},
	{"noise after the handshake", false, func(c *rawClient) { c.write(noise(), 10) }},
	{"noise", true, func(c *rawClient) { c.write(noise(), 10) }},
	{"half a request", true, func(c *rawClient) { c.write([]byte("GET /ws HTTP/1.1\r\nHost: "), 1) }},
	{"nothing at all", true, func(*rawClient) {}},
}

func noise() []byte {
	b := make([]byte, 4096)
	for i := range b {
		b[i] = byte(rand.IntN(256))
	}
	return b
}

// While others do what they can against it, and a thousand do nothing, clients
// that behave lose nothing; and SIGTERM does not wait for anybody. Nothing here
// ends by a time limit: with these settings only the drain itself can end those
// who never answer.
func TestHostileClients(t *testing.T) {
	dir := t.TempDir()
	d := start(t, dir, "--set=transport.websocket.ping_interval=1h", "--set=shutdown_timeout=1h")
	const idlers = 1000
	each(t, 10, func(int) error {
		for range idlers / 10 {
			c, err := d.dialRaw()
			if err != nil {
				return err
			}
			if err := c.upgrade(); err != nil {
				return err
			}
		}
		return nil
	})

	r := run("hostile")
	const clients = 8
	names := ids(100)
	senders, conns := make([]*sender, clients), make([]*client, clients)
	for i := range clients {
		senders[i] = newSender(r, i, names)
		senders[i].numbered = true
		conns[i] = d.dial("")
	}
	legit := begin(t, clients, func(i int) error {
		for senders[i].send(conns[i], 10) == nil && conns[i].mark() == nil {
		}
		code, err := conns[i].waitEnd()
		if code != websocket.StatusGoingAway {
			return fmt.Errorf("client %d: %w", i, err)
		}
		return nil
	})
	attack := begin(t, 3*len(attacks), func(i int) error {
		a := attacks[i%len(attacks)]
		c, err := d.dialRaw()
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		if !a.raw {
			if err := c.upgrade(); err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
		}
		a.do(c)
		return nil
	})
	attack()
	before := acked(conns)
	eventually(t, "the others are served after the attacks", func() bool { return acked(conns) > before+3000 })
	t.Logf("%d acked during the attacks; %d MiB at most", before, d.status("VmHWM")>>10)
	d.term()
	legit()
	if status := d.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}

	promised, attempted := make(map[key]int), make(map[key]int)
	for i, x := range senders {
		x.promised(conns[i], promised)
		x.attempted(attempted)
	}
	s := sqliteStore(t, dir)
	var rows []row
	for _, x := range s.rows() {
		if !strings.HasPrefix(x.id, "hostile") {
			rows = append(rows, x)
		}
	}
	n := d.counts()
	r.judge(rows, promised, attempted).fine(t, len(rows))
	if all := s.number("SELECT count(*) FROM messages"); n["stored"] != all || n["accepted"] != all {
		t.Errorf("the daemon counts %v, and stored are %d", n, all)
	}
	s.streams()
}

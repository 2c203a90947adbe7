package attack

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// patience is how long an attacker waits for what is sure to come.
const patience = 2 * time.Minute

// raw is a connection that speaks the protocol only as far as it likes.
type raw struct {
	net.Conn
	r *bufio.Reader
}

// dial connects from one of many addresses, so that there are enough ports. No two
// attackers share one, or those would lack ports that others have just used.
func (a *attacker) dial(i int) (*raw, error) {
	from := net.IPv4(127, byte(1+os.Getpid()%254), byte(i/10_000), 2)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: patience}
	conn, err := d.DialContext(context.Background(), "tcp", a.Address)
	if err != nil {
		return nil, err
	}
	return &raw{conn, bufio.NewReaderSize(conn, 256)}, nil
}

// ask asks for an upgrade with these lines in the header, and gives the answer.
func (c *raw) ask(target string, lines ...string) (*http.Response, error) {
	all := []string{
		"GET " + target + " HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}
	hasHost := false
	for _, l := range lines {
		hasHost = hasHost || strings.HasPrefix(l, "Host:")
	}
	if !hasHost {
		all = append(all, "Host: "+c.RemoteAddr().String())
	}
	if _, err := io.WriteString(c, strings.Join(append(all, lines...), "\r\n")+"\r\n\r\n"); err != nil {
		return nil, err
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	r, err := http.ReadResponse(c.r, nil)
	_ = c.SetReadDeadline(time.Time{})
	return r, err
}

// websocket is a connection that was upgraded.
func (a *attacker) websocket(i int, lines ...string) (*raw, error) {
	c, err := a.dial(i)
	if err != nil {
		return nil, err
	}
	r, err := c.ask("/ws", lines...)
	if err == nil && r.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("not upgraded: %s", r.Status)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// frame is a frame with this first byte, and with this length, whatever it has. Its
// mask is zero, so that the payload stands as it is.
func frame(first byte, length uint64, payload string) []byte {
	b := []byte{first}
	switch {
	case length < 126:
		b = append(b, 0x80|byte(length))
	case length <= 0xFFFF:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), length)
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// text is a text frame, and of one with another first byte.
func text(payload string) []byte           { return of(0x81, payload) }
func of(first byte, payload string) []byte { return frame(first, uint64(len(payload)), payload) }

// next reads a frame of the server.
func (c *raw) next() (first byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1])
	switch n {
	case 126:
		var b [2]byte
		_, err = io.ReadFull(c.r, b[:])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		_, err = io.ReadFull(c.r, b[:])
		n = binary.BigEndian.Uint64(b[:])
	}
	if err != nil || n > 16<<20 {
		return 0, nil, errors.Join(err, fmt.Errorf("a frame of %d bytes", n))
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(c.r, payload)
	return head[0], payload, err
}

// How connections end that have no close code.
const (
	endReset   = 1006
	endNever   = -1
	endAnswers = 0 // it goes on, and is answered
)

// outcome reads until the connection ends, and gives the close code, or, where
// answered is enough, until there is an answer.
func (c *raw) outcome(answered bool) int {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	for {
		first, payload, err := c.next()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return endNever
		case err != nil:
			return endReset
		case first == 0x88 && len(payload) >= 2:
			return int(binary.BigEndian.Uint16(payload))
		case first == 0x88:
			return 1005
		case first == 0x81 && answered:
			return endAnswers
		}
	}
}

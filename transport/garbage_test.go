package transport

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// What no library would send: each gets the right close code, and nobody else
// notices.
func TestProtocolGarbage(t *testing.T) {
	s := serve(t, nil)
	masked := func(first byte, payload string) []byte {
		b := []byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}
		return append(b, payload...)
	}
	for _, c := range []struct {
		name   string
		frames []byte
		status uint16 // 0: the connection ends without a close frame
	}{
		{"not masked", []byte{0x81, 2, '{', '}'}, 1002},
		{"reserved bit 1", masked(0xC1, "{}"), 1002},
		{"reserved bit 2", masked(0xA1, "{}"), 1002},
		{"reserved opcode", masked(0x83, "{}"), 1002},
		{"reserved control opcode", masked(0x8B, ""), 1002},
		{"a continuation of nothing", masked(0x80, "{}"), 1002},
		{"a message within a message", append(masked(0x01, "{"), masked(0x81, "}")...), 1002},
		{"a fragmented ping", masked(0x09, ""), 1002},
		{"a ping of 126 bytes", []byte{0x89, 0x80 | 126, 0, 126, 0, 0, 0, 0}, 1002},
		{"a close with one byte", masked(0x88, "x"), 1002},
		{"a bad close code", masked(0x88, "\x03\xee"), 1002},
		{"a declared length of 1 GiB", append([]byte{0x81, 0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 1<<20+1)...), 1009},
		{"a negative length", []byte{0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}, 1002},
		{"a proper close", masked(0x88, "\x03\xe8bye"), 1000},
		{"fragments of a character", append(masked(0x01, "{\"id\":\"\xe2\x98"), masked(0x80, "\x83\"} ?")...), 0xFFFF}, // fine: an answer
		{"text that is not UTF-8", masked(0x81, "\xff"), 1007},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(patience))
			request := "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			head := make([]byte, 0, 1024)
			for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, b[0]) {
				if _, err := io.ReadFull(conn, b); err != nil {
					t.Fatal(err)
				}
			}
			if !strings.HasPrefix(string(head), "HTTP/1.1 101") {
				t.Fatalf("%s", head)
			}
			if _, err := conn.Write(c.frames); err != nil {
				t.Fatal(err)
			}
			frame := make([]byte, 4)
			if _, err := io.ReadFull(conn, frame); err != nil {
				t.Fatal(err)
			}
			if c.status == 0xFFFF {
				if frame[0] != 0x81 {
					t.Errorf("received % x", frame)
				}
				return
			}
			if got := binary.BigEndian.Uint16(frame[2:]); frame[0] != 0x88 || got != c.status {
				t.Errorf("received % x, want a close with %d", frame, c.status)
			}
		})
	}
	c := s.dial("")
	c.send(`{"id":1,"seq":1}`)
	c.expect(`{"op":"ack","id":1,"seq":1}`)
}

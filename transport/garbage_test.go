package transport

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// fine stands for a close code where nothing is wrong with the frames, and there is an answer.
const fine = 0

// garbage is what no library would send, beside what is right at its edge.
var garbage = []struct {
	name   string
	frames []byte
	status uint16
}{
	{"text", maskedFrame(0x81, "{}"), fine},
	{"binary", maskedFrame(0x82, "{}"), fine},
	{"an empty text", maskedFrame(0x81, ""), fine},
	{"a length of 2 bytes where 1 would do", append([]byte{0x81, 0xFE, 0, 2, 0, 0, 0, 0}, "{}"...), fine},
	{"a length of 8 bytes where 1 would do", append([]byte{0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0}, "{}"...), fine},

	{"not masked", []byte{0x81, 2, '{', '}'}, 1002},
	{"not masked, binary", []byte{0x82, 2, '{', '}'}, 1002},
	{"not masked, empty", []byte{0x81, 0}, 1002},
	{"a ping that is not masked", []byte{0x89, 0}, 1002},
	{"a close that is not masked", []byte{0x88, 2, 3, 0xe8}, 1002},
	{"a continuation that is not masked", append(maskedFrame(0x01, "{"), 0x80, 1, '}'), 1002},

	{"reserved bit 1", maskedFrame(0xC1, "{}"), 1002},
	{"reserved bit 2", maskedFrame(0xA1, "{}"), 1002},
	{"reserved bit 3", maskedFrame(0x91, "{}"), 1002},
	{"all reserved bits", maskedFrame(0xF1, "{}"), 1002},
	{"reserved bit 1 of binary", maskedFrame(0xC2, "{}"), 1002},
	{"reserved bit 1 of a continuation", append(maskedFrame(0x01, "{"), maskedFrame(0xC0, "}")...), 1002},
	{"reserved bit 2 of a continuation", append(maskedFrame(0x01, "{"), maskedFrame(0xA0, "}")...), 1002},
	{"reserved bit 1 of a ping", maskedFrame(0xC9, ""), 1002},
	{"reserved bit 3 of a pong", maskedFrame(0x9A, ""), 1002},
	{"reserved bit 1 of a close", maskedFrame(0xC8, "\x03\xe8"), 1002},

	{"opcode 3", maskedFrame(0x83, "{}"), 1002},
	{"opcode 4", maskedFrame(0x84, "{}"), 1002},
	{"opcode 5", maskedFrame(0x85, "{}"), 1002},
	{"opcode 6", maskedFrame(0x86, "{}"), 1002},
	{"opcode 7", maskedFrame(0x87, "{}"), 1002},
	{"opcode 11", maskedFrame(0x8B, ""), 1002},
	{"opcode 12", maskedFrame(0x8C, ""), 1002},
	{"opcode 13", maskedFrame(0x8D, ""), 1002},
	{"opcode 14", maskedFrame(0x8E, ""), 1002},
	{"opcode 15", maskedFrame(0x8F, ""), 1002},
	{"opcode 3 in a message", append(maskedFrame(0x01, "{"), maskedFrame(0x83, "}")...), 1002},

	{"a continuation of nothing", maskedFrame(0x80, "{}"), 1002},
	{"a continuation of nothing that goes on", maskedFrame(0x00, "{"), 1002},
	{"a continuation of a message that has ended", append(maskedFrame(0x81, ""), maskedFrame(0x80, "}")...), 1002},
	{"a message within a message", append(maskedFrame(0x01, "{"), maskedFrame(0x81, "}")...), 1002},
	{"binary within text", append(maskedFrame(0x01, "{"), maskedFrame(0x82, "}")...), 1002},
	{"a begin within a message", append(maskedFrame(0x01, "{"), maskedFrame(0x01, "}")...), 1002},
	{"two fragments", append(maskedFrame(0x01, "{"), maskedFrame(0x80, "}")...), fine},
	{"a ping between fragments", append(append(maskedFrame(0x01, "{"), maskedFrame(0x8A, "x")...), maskedFrame(0x80, "}")...), fine},
	{"empty fragments", append(append(maskedFrame(0x01, ""), maskedFrame(0x00, "")...), maskedFrame(0x80, "{}")...), fine},

	{"a fragmented ping", maskedFrame(0x09, ""), 1002},
	{"a fragmented pong", maskedFrame(0x0A, ""), 1002},
	{"a fragmented close", maskedFrame(0x08, "\x03\xe8"), 1002},
	{"a ping of 126 bytes", rawFrame(0x89, 126, strings.Repeat("x", 126)), 1002},
	{"a pong of 126 bytes", rawFrame(0x8A, 126, strings.Repeat("x", 126)), 1002},
	{"a close of 126 bytes", rawFrame(0x88, 126, "\x03\xe8"+strings.Repeat("x", 124)), 1002},
	{"a ping of 1 GiB", rawFrame(0x89, 1<<30, "x"), 1002},

	{"a close", maskedFrame(0x88, "\x03\xe8bye"), 1000},
	{"a close with a code of our own", maskedFrame(0x88, "\x0f\xa0"), 4000},
	{"a close without a code", maskedFrame(0x88, ""), 1005},
	{"a close with one byte", maskedFrame(0x88, "x"), 1002},
	{"close code 0", maskedFrame(0x88, "\x00\x00"), 1002},
	{"close code 999", maskedFrame(0x88, "\x03\xe7"), 1002},
	{"close code 1004", maskedFrame(0x88, "\x03\xec"), 1002},
	{"close code 1005", maskedFrame(0x88, "\x03\xed"), 1002},
	{"close code 1006", maskedFrame(0x88, "\x03\xee"), 1002},
	{"close code 1015", maskedFrame(0x88, "\x03\xf7"), 1002},
	{"close code 1016", maskedFrame(0x88, "\x03\xf8"), 1002},
	{"close code 2999", maskedFrame(0x88, "\x0b\xb7"), 1002},
	{"close code 5000", maskedFrame(0x88, "\x13\x88"), 1002},
	{"close code 65535", maskedFrame(0x88, "\xff\xff"), 1002},

	{"as much as there may be", maskedFrame(0x81, "{"+strings.Repeat(" ", 1<<20-2)+"}"), fine},
	{"a byte too much", maskedFrame(0x81, "{"+strings.Repeat(" ", 1<<20-1)+"}"), 1009},
	{"a byte too much in fragments", append(maskedFrame(0x01, strings.Repeat(" ", 1<<19)), maskedFrame(0x80, strings.Repeat(" ", 1<<19+1))...), 1009},
	{"a declared length of 1 GiB", rawFrame(0x81, 1<<30, strings.Repeat(" ", 1<<20+1)), 1009},
	{"a declared length of 2^63 - 1", rawFrame(0x81, 1<<63-1, strings.Repeat(" ", 1<<20+1)), 1009},
	{"a negative length", []byte{0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1002},
	{"a length of -1", []byte{0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}, 1002},

	{"fragments of a character", append(maskedFrame(0x01, "{\"id\":\"\xe2\x98"), maskedFrame(0x80, "\x83\"} ?")...), fine},
	{"text that is not UTF-8", maskedFrame(0x81, "\xff"), 1007},
	{"half a surrogate", maskedFrame(0x81, "{\"id\":\"\xed\xa0\x80\"}"), 1007},
	{"a character in too many bytes", maskedFrame(0x81, "{\"id\":\"\xc0\xaf\"}"), 1007},
	{"a character past the last", maskedFrame(0x81, "{\"id\":\"\xf4\x90\x80\x80\"}"), 1007},
	{"half a character", maskedFrame(0x81, "{\"id\":\"\xe2\x98"), 1007},
	{"half a character, in fragments", append(maskedFrame(0x01, "{\"id\":\"\xe2"), maskedFrame(0x80, "\"}")...), 1007},
	{"binary that is not UTF-8", maskedFrame(0x82, "\xff"), fine},
}

// Each gets the right close code, takes no more memory than a message may, and
// nobody else notices.
func TestProtocolGarbage(t *testing.T) {
	s := serve(t, nil)
	for _, c := range garbage {
		t.Run(c.name, func(t *testing.T) {
			conn, r := s.upgrade(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			go func() { _, _ = conn.Write(c.frames) }()
			var frame [4]byte
			if c.status == 1005 {
				if _, err := io.ReadFull(r, frame[:2]); err != nil || frame != [4]byte{closeFrame, 0} {
					t.Errorf("received % x, %v", frame, err)
				}
				return
			}
			for frame[0] == 0 || frame[0] == 0x81 && c.status != fine { // what came before the fault was answered
				if _, err := io.ReadFull(r, frame[:2]); err != nil {
					t.Fatal(err)
				}
				payload := make([]byte, frame[1])
				if _, err := io.ReadFull(r, payload); err != nil {
					t.Fatal(err)
				}
				copy(frame[2:], payload)
			}
			runtime.ReadMemStats(&after)
			if c.status == fine {
				if frame[0] != 0x81 {
					t.Errorf("received % x", frame)
				}
			} else if got := binary.BigEndian.Uint16(frame[2:]); frame[0] != closeFrame || got != c.status {
				t.Errorf("received % x, want a close with %d", frame, c.status)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
				t.Errorf("%d KiB were allocated", n>>10)
			}
		})
	}
	c := s.dial("")
	c.send(`{"id":1,"seq":1}`)
	c.expect(`{"op":"ack","id":1,"seq":1}`)
}

// upgrade gives a connection that was upgraded, without a library above it.
func (s *server) upgrade(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	request := "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for first := true; ; first = false {
		line, err := r.ReadString('\n')
		if err != nil || first && !strings.HasPrefix(line, "HTTP/1.1 101") {
			t.Fatal(line, err)
		}
		if line == "\r\n" {
			return conn, r
		}
	}
}

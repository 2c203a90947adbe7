package attack

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/internal/long"
)

// malformed are bytes that no library would send, after the handshake, and with
// which code each connection is closed.
var malformed = []struct {
	name   string
	frames []byte
	want   int
}{
	// Well-formed, for comparison.
	{"a message", text(`{"id":"garbage","seq":1}`), endAnswers},
	{"in binary", of(0x82, `{"id":"garbage","seq":2}`), endAnswers},
	{"in fragments", join(of(0x01, `{"id":"gar`), of(0x00, `bage",`), of(0x80, `"seq":3}`)), endAnswers},
	{"a ping between fragments", join(of(0x01, `{"id":"gar`), of(0x89, "x"), of(0x80, `bage","seq":4}`)), endAnswers},
	{"a pong that nobody asked for", join(of(0x8A, "x"), text(`{"id":"garbage","seq":5}`)), endAnswers},
	{"a character in two fragments", join(of(0x01, "{\"id\":\"\xe2\x98"), of(0x80, "\x83\"} ?")), endAnswers},
	{"an empty frame", text(""), endAnswers},
	{"an empty first fragment", join(of(0x01, ""), of(0x80, `{"id":"garbage","seq":6}`)), endAnswers},
	{"a ping of 125 bytes", join(of(0x89, strings.Repeat("x", 125)), text(`{"id":"garbage","seq":7}`)), endAnswers},
	{"a length of 16 bits that needs 7", join([]byte{0x82, 0x80 | 126, 0, 2, 0, 0, 0, 0}, []byte("{}")), endAnswers},

	// Masks, reserved bits and opcodes.
	{"text without mask", []byte("\x81\x02{}"), 1002},
	{"binary without mask", []byte("\x82\x02{}"), 1002},
	{"a continuation without mask", join(of(0x01, "{"), []byte("\x80\x01}")), 1002},
	{"a ping without mask", []byte("\x89\x00"), 1002},
	{"a close without mask", []byte("\x88\x02\x03\xe8"), 1002},
	{"reserved bit 1", of(0xC1, "{}"), 1002},
	{"reserved bit 2", of(0xA1, "{}"), 1002},
	{"reserved bit 3", of(0x91, "{}"), 1002},
	{"all reserved bits", of(0xF1, "{}"), 1002},
	{"a reserved bit in a continuation", join(of(0x01, "{"), of(0xC0, "}")), 1002},
	{"a reserved bit in a ping", of(0xC9, ""), 1002},
	{"a reserved bit in a close", of(0xC8, "\x03\xe8"), 1002},
	{"opcode 3", of(0x83, "{}"), 1002},
	{"opcode 4", of(0x84, "{}"), 1002},
	{"opcode 5", of(0x85, "{}"), 1002},
	{"opcode 6", of(0x86, "{}"), 1002},
	{"opcode 7", of(0x87, "{}"), 1002},
	{"opcode 11", of(0x8B, ""), 1002},
	{"opcode 12", of(0x8C, ""), 1002},
	{"opcode 13", of(0x8D, ""), 1002},
	{"opcode 14", of(0x8E, ""), 1002},
	{"opcode 15", of(0x8F, ""), 1002},
	{"opcode 3 between fragments", join(of(0x01, "{"), of(0x83, "}")), 1002},

	// Fragments.
	{"a last continuation of nothing", of(0x80, "{}"), 1002},
	{"a continuation of nothing", of(0x00, "{}"), 1002},
	{"a continuation after the end", join(text("[]"), of(0x80, "{}")), 1002},
	{"a text within a text", join(of(0x01, "{"), text("}")), 1002},
	{"a fragment of text within a text", join(of(0x01, "{"), of(0x01, "}")), 1002},
	{"binary within a text", join(of(0x01, "{"), of(0x82, "}")), 1002},
	{"a text within binary", join(of(0x02, "{"), text("}")), 1002},
	{"fragments over the limit", join(of(0x01, strings.Repeat(" ", 600<<10)), of(0x80, strings.Repeat(" ", 600<<10))), 1009},

	// Control frames.
	{"a fragmented ping", of(0x09, ""), 1002},
	{"a fragmented pong", of(0x0A, ""), 1002},
	{"a fragmented close", of(0x08, "\x03\xe8"), 1002},
	{"a ping of 126 bytes", of(0x89, strings.Repeat("x", 126)), 1002},
	{"a pong of 126 bytes", of(0x8A, strings.Repeat("x", 126)), 1002},
	{"a ping of 64 KiB", of(0x89, strings.Repeat("x", 64<<10)), 1002},
	{"a close of 126 bytes", of(0x88, "\x03\xe8"+strings.Repeat("x", 124)), 1002},

	// Closing.
	{"a close", of(0x88, "\x03\xe8"), 1000},
	{"a close with a reason", of(0x88, "\x03\xe8bye"), 1000},
	{"a close with 123 bytes of reason", of(0x88, "\x03\xe8"+strings.Repeat("x", 123)), 1000},
	{"a close with a code of one's own", of(0x88, "\x0f\xa0"), 4000},
	{"a close without a code", of(0x88, ""), 1005},
	{"a close of one byte", of(0x88, "x"), 1002},
	{"close code 0", of(0x88, "\x00\x00"), 1002},
	{"close code 999", of(0x88, "\x03\xe7"), 1002},
	{"close code 1004", of(0x88, "\x03\xec"), 1002},
	{"close code 1005", of(0x88, "\x03\xed"), 1002},
	{"close code 1006", of(0x88, "\x03\xee"), 1002},
	{"close code 1015", of(0x88, "\x03\xf7"), 1002},
	{"close code 2999", of(0x88, "\x0b\xb7"), 1002},
	{"close code 5000", of(0x88, "\x13\x88"), 1002},
	{"close code 65535", of(0x88, "\xff\xff"), 1002},
	{"more after a close", join(of(0x88, "\x03\xe8"), text(`{"id":"garbage"}`)), 1000},

	// Lengths.
	{"one byte over the limit", text(strings.Repeat(" ", 1<<20+1)), 1009},
	{"a gigabyte is claimed", join(frame(0x81, 1<<30, ""), make([]byte, 1<<20+1)), 1009},
	{"2^62 bytes are claimed", join(frame(0x81, 1<<62, ""), make([]byte, 1<<20+1)), 1009},
	{"2^63 bytes are claimed", frame(0x81, 1<<63, ""), 1002},
	{"2^64-1 bytes are claimed", frame(0x81, 1<<64-1, ""), 1002},

	// UTF-8.
	{"a byte that is never UTF-8", text("\"\xff\""), 1007},
	{"a continuation byte alone", text("\"\x80\""), 1007},
	{"half a character", text("\"\xe2\x98"), 1007},
	{"an overlong slash", text("\"\xc0\xaf\""), 1007},
	{"a surrogate", text("\"\xed\xa0\x80\""), 1007},
	{"beyond the last character", text("\"\xf4\x90\x80\x80\""), 1007},
	{"not UTF-8 in the second fragment", join(of(0x01, "\""), of(0x80, "\xfe\"")), 1007},

	// No websocket any more.
	{"an HTTP request", []byte("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n"), 1002},
	{"zeros", make([]byte, 100), 1002},
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

var frameAttacks = map[string]func(*attacker) error{
	// garbage tries each malformed frame N times, and tells what came of it.
	"garbage": func(a *attacker) error {
		got := make([]map[string]int, len(malformed))
		for i := range got {
			got[i] = make(map[string]int)
		}
		for range a.N {
			codes := make([]int, len(malformed))
			err := a.each(len(malformed), func(i int) error {
				c, err := a.websocket(i)
				if err != nil {
					return err
				}
				defer func() { _ = c.Close() }()
				_, _ = c.Write(malformed[i].frames)
				codes[i] = c.outcome(true)
				return nil
			})
			if err != nil {
				return err
			}
			for i, code := range codes {
				got[i][fmt.Sprint(code)]++
			}
		}
		for i, m := range malformed {
			a.tell(m.name, got[i])
		}
		return nil
	},
}

// X6, X10, X11: what breaks the protocol, or is too large, is told so with the
// right code, takes no memory, and troubles nobody else.
func TestMalformedFrames(t *testing.T) {
	together(t)
	x := start(t)
	rounds := long.Scale(2, 50)
	before := x.resident("VmHWM")
	for range x.rounds() {
		e := attack(t, order{Attack: "garbage", Address: x.address(), N: rounds})
		for i, m := range malformed {
			r := e.says(m.name)
			if r.Counts[fmt.Sprint(m.want)] != rounds || len(r.Counts) != 1 {
				t.Errorf("%d, %s: the connections ended with %v, want %d", i, m.name, r.Counts, m.want)
			}
		}
		x.wave()
		e.end()
	}
	grown := x.resident("VmHWM") - before
	t.Logf("FIGURE X6, X10, X11: %d cases, %d times each; resident memory grew by %d KiB at most", len(malformed), rounds, grown>>10)
	if grown > 512<<20 {
		t.Errorf("the memory grew by %d bytes, for frames of a megabyte", grown)
	}
	x.fine()
}

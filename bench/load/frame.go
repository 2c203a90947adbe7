package load

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The numbers in a message have as many digits whatever they are, so that they can
// be changed in place.
const (
	idDigits   = 7
	connDigits = 5
	seqDigits  = 10

	firstID   = 1_000_000
	firstConn = 10_000
	firstSeq  = 1_000_000_000

	maxIDs   = 9 * firstID
	maxConns = 9 * firstConn
)

// layout is a message and where its numbers stand.
type layout struct {
	text       []byte
	id, seq, n int // offsets; seq is 0 where there is none
}

// makeLayout makes a message of size bytes, as a device would send it: what it is
// about, when it happened, and some data. n counts the messages of one connection
// to one id.
func makeLayout(size int, conn int, numbered bool) layout {
	var b strings.Builder
	var l layout
	b.WriteString(`{"op":"report","id":`)
	l.id = b.Len()
	fmt.Fprintf(&b, "%0*d", idDigits, firstID)
	if numbered {
		b.WriteString(`,"seq":`)
		l.seq = b.Len()
		fmt.Fprintf(&b, "%0*d", seqDigits, firstSeq)
	}
	fmt.Fprintf(&b, `,"time":"1715050000","code":0,"data":{"c":%d,"n":`, firstConn+conn)
	l.n = b.Len()
	fmt.Fprintf(&b, "%0*d", seqDigits, firstSeq)
	b.WriteString(`,"pad":"`)
	const tail = `"}}`
	b.WriteString(strings.Repeat("x", max(0, size-b.Len()-len(tail))))
	b.WriteString(tail)
	l.text = []byte(b.String())
	return l
}

// smallest is how many bytes a message has at least.
func smallest(numbered bool) int { return len(makeLayout(0, 0, numbered).text) }

// train is a row of frames, which go out with one write.
type train struct {
	buf      []byte
	layout   layout
	header   int // bytes before a frame's first message
	frame    int // bytes of a frame
	perFrame int
}

func newTrain(c Config, conn int) *train {
	t := &train{layout: makeLayout(c.Size, conn, c.Numbered), perFrame: c.PerFrame}
	payload := c.PerFrame*(c.Size+1) - 1 // a line end between two
	head := appendHeader(nil, payload)
	t.header, t.frame = len(head), len(head)+payload
	for range c.burst(t.frame) {
		t.buf = append(t.buf, head...)
		for i := range c.PerFrame {
			if i > 0 {
				t.buf = append(t.buf, '\n')
			}
			t.buf = append(t.buf, t.layout.text...)
		}
	}
	return t
}

// frames is how many frames it has room for.
func (t *train) frames() int { return len(t.buf) / t.frame }

// fill writes the numbers of the messages from the k-th on into the first n frames,
// and returns these.
func (t *train) fill(ids idSet, k, n int) []byte {
	size := len(t.layout.text)
	for f := range n {
		at := f*t.frame + t.header
		for range t.perFrame {
			id, count := ids.at(k)
			m := t.buf[at : at+size]
			putDigits(m[t.layout.id:t.layout.id+idDigits], firstID+id)
			putDigits(m[t.layout.n:t.layout.n+seqDigits], firstSeq+count)
			if t.layout.seq > 0 {
				putDigits(m[t.layout.seq:t.layout.seq+seqDigits], firstSeq+count)
			}
			k++
			at += size + 1
		}
	}
	return t.buf[:n*t.frame]
}

func putDigits(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// The opcodes, with the bit that says that the frame is the whole message.
const (
	frameText  = 0x81
	frameClose = 0x88
	framePing  = 0x89
	framePong  = 0x8a
)

// appendHeader appends the header of a masked text frame. The mask is zero, so what
// follows is what was meant; to the receiver it is a mask like any other.
func appendHeader(b []byte, payload int) []byte {
	return appendMasked(b, frameText, payload)
}

func appendMasked(b []byte, first byte, payload int) []byte {
	const masked = 0x80
	switch {
	case payload < 126:
		b = append(b, first, masked|byte(payload))
	case payload < 1<<16:
		b = append(b, first, masked|126)
		b = binary.BigEndian.AppendUint16(b, uint16(payload))
	default:
		b = append(b, first, masked|127)
		b = binary.BigEndian.AppendUint64(b, uint64(payload))
	}
	return append(b, 0, 0, 0, 0)
}

package transport

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// What RFC 6455 asks of a server once the handshake is done. It is our own since
// it is on the way of every message: frames are read in place, many with one
// system call, and answers are written many with one.

// The opcodes of frames.
const (
	opcodeMore   = 0x0 // the continuation of a message
	opcodeText   = 0x1
	opcodeBinary = 0x2
	opcodeClose  = 0x8
	opcodePing   = 0x9
	opcodePong   = 0xA
)

const (
	finBit     = 0x80 // in the first byte: the message ends with this frame
	opcodeBits = 0x0F // in the first byte
	maskBit    = 0x80 // in the second byte
	maxControl = 125  // the most bytes of a control frame

	// largestHeaders is what may come with a message in the buffer: a header, and
	// a control frame between two fragments.
	largestHeaders = 14 + 6 + maxControl

	// readBuffer is what each connection keeps to read into. Larger ones are
	// borrowed while a larger frame comes.
	readBuffer = 4 << 10
)

// largeBuffers are the borrowed ones by size: 4, 16 and 64 times readBuffer.
var largeBuffers [3]sync.Pool // of *[]byte

// poolOf finds the pool of the buffers of size bytes; nil where there is none.
func poolOf(size int) *sync.Pool {
	for i := range largeBuffers {
		if size == readBuffer<<(2*i+2) {
			return &largeBuffers[i]
		}
	}
	return nil
}

// breach is what a client has done to the protocol, and what is told it for that.
type breach struct {
	code   websocket.StatusCode
	reason string
}

func (b *breach) Error() string { return b.reason }

func protocolBreach(reason string) error { return &breach{websocket.StatusProtocolError, reason} }

// frameReader reads the frames of one connection.
//
// Its buffer holds, in this order, the message so far, the frame that is read
// next, and what has come behind that.
type frameReader struct {
	r         io.Reader
	limit     int // the most bytes of a message,
	restoring int // or, where that is more, of one that brings back a message;
	tooLarge  *breach

	small      []byte // readBuffer bytes
	b          []byte // small, or borrowed
	start, end int    // b[start:end] is the message so far
	next, have int    // b[next:have] has come and is not read
	opcode     byte   // of the message that has begun; 0: none has
}

// newFrameReader makes a frameReader for r, of which early, at most readBuffer
// bytes, has come already.
func newFrameReader(r io.Reader, early []byte) *frameReader {
	b := make([]byte, readBuffer)
	return &frameReader{r: r, small: b, b: b, have: copy(b, early)}
}

// read gives the next message (opcodeText or opcodeBinary) or control frame. What
// it gives is valid until it is called again, and may be written to.
func (f *frameReader) read() (opcode byte, payload []byte, err error) {
	for {
		if f.opcode == 0 {
			f.start, f.end = f.next, f.next
			if f.next == f.have {
				f.rewind()
			}
		}
		head, n, err := f.header()
		if err != nil {
			return 0, nil, err
		}
		if err := f.need(head + n); err != nil {
			return 0, nil, err
		}
		first, from := f.b[f.next], f.next+head
		f.next = from + n
		payload = f.b[from:f.next]
		unmask(payload, binary.LittleEndian.Uint32(f.b[from-4:]))
		if opcode = first & opcodeBits; opcode >= opcodeClose {
			return opcode, payload, nil
		}
		if opcode != opcodeMore {
			f.opcode, f.start, f.end = opcode, from, f.next
		} else {
			f.end += copy(f.b[f.end:], payload)
		}
		if first&finBit != 0 {
			opcode, f.opcode = f.opcode, 0
			return opcode, f.b[f.start:f.end], nil
		}
	}
}

// header looks at the header of the next frame: how long it is, and how long its
// payload.
func (f *frameReader) header() (head, n int, err error) {
	if err := f.need(2); err != nil {
		return 0, 0, err
	}
	first, second := f.b[f.next], f.b[f.next+1]
	opcode := first & opcodeBits
	n = int(second &^ maskBit)
	switch {
	case first&^(finBit|opcodeBits) != 0:
		return 0, 0, protocolBreach("a reserved bit is set")
	case second&maskBit == 0:
		return 0, 0, protocolBreach("a frame is not masked")
	case opcode > opcodeBinary && opcode < opcodeClose || opcode > opcodePong:
		return 0, 0, protocolBreach("an unknown opcode")
	case opcode >= opcodeClose && first&finBit == 0:
		return 0, 0, protocolBreach("a control frame is fragmented")
	case opcode >= opcodeClose && n > maxControl:
		return 0, 0, protocolBreach("a control frame is too long")
	case opcode == opcodeMore && f.opcode == 0:
		return 0, 0, protocolBreach("a continuation of nothing")
	case opcode != opcodeMore && opcode < opcodeClose && f.opcode != 0:
		return 0, 0, protocolBreach("a message within a message")
	}
	head = 6 // two bytes and the mask
	if n > maxControl {
		if head += 2; n == 127 {
			head += 6
		}
		if err := f.need(head); err != nil {
			return 0, 0, err
		}
		length := uint64(binary.BigEndian.Uint16(f.b[f.next+2:]))
		if n == 127 {
			length = binary.BigEndian.Uint64(f.b[f.next+2:])
		}
		if length>>63 != 0 {
			return 0, 0, protocolBreach("a negative length")
		}
		n = int(min(length, uint64(max(f.limit, f.restoring))+1))
	}
	if size := f.end - f.start + n; size > f.limit && opcode < opcodeClose {
		if size > f.restoring {
			return 0, 0, f.tooLarge
		}
		if err := f.restores(head, n); err != nil {
			return 0, 0, err
		}
	}
	return head, n, nil
}

// restores looks at the beginning of a message that is larger than any but one
// that brings back a message may be.
func (f *frameReader) restores(head, n int) error {
	var begin [restoreBegin]byte
	have := copy(begin[:], f.b[f.start:f.end])
	n = min(n, len(begin)-have)
	if err := f.need(head + n); err != nil {
		return err
	}
	rest := begin[have : have+n]
	copy(rest, f.b[f.next+head:])
	unmask(rest, binary.LittleEndian.Uint32(f.b[f.next+head-4:]))
	if !restores(begin[:have+n]) {
		return f.tooLarge
	}
	return nil
}

// need reads until there are n bytes at f.next.
func (f *frameReader) need(n int) error {
	for f.have-f.next < n {
		if err := f.fill(n); err != nil {
			return err
		}
	}
	return nil
}

// fill makes one read, after it has made room where n bytes at f.next need it.
func (f *frameReader) fill(n int) error {
	if f.next+n > len(f.b) && (f.start > 0 || f.next > f.end) {
		f.move(f.b)
	}
	if f.have == len(f.b) {
		f.grow()
	}
	got, err := f.r.Read(f.b[f.have:])
	f.have += got
	if got > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// move brings what is in the buffer to the front of b.
func (f *frameReader) move(b []byte) {
	end := copy(b, f.b[f.start:f.end])
	have := end + copy(b[end:], f.b[f.next:f.have])
	f.start, f.end, f.next, f.have = 0, end, end, have
	f.b = b
}

// grow takes a larger buffer: as the frame comes, whatever length its header
// claims.
func (f *frameReader) grow() {
	old, size := f.b, min(4*len(f.b), max(f.limit, f.restoring)+largestHeaders)
	var large *[]byte
	if pool := poolOf(size); pool != nil {
		large, _ = pool.Get().(*[]byte)
	}
	if large == nil {
		b := make([]byte, size)
		large = &b
	}
	f.move(*large)
	f.giveBack(old)
}

// rewind begins at the front of the small buffer again: nothing is left to read.
func (f *frameReader) rewind() {
	f.start, f.end, f.next, f.have = 0, 0, 0, 0
	if len(f.b) > readBuffer {
		f.giveBack(f.b)
		f.b = f.small
	}
}

func (f *frameReader) giveBack(b []byte) {
	if pool := poolOf(len(b)); pool != nil {
		pool.Put(&b)
	}
}

// unmask takes the client's mask off b.
func unmask(b []byte, key uint32) {
	if key == 0 {
		return
	}
	for wide := uint64(key)<<32 | uint64(key); len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
	}
	for i := range b {
		b[i] ^= byte(key >> (8 * i & 31))
	}
}

// closed reads the payload of a close frame: as a [websocket.CloseError], or as a
// breach of the protocol.
func closed(payload []byte) error {
	if len(payload) == 0 {
		return websocket.CloseError{Code: websocket.StatusNoStatusRcvd}
	}
	if len(payload) == 1 {
		return protocolBreach("a close frame with one byte")
	}
	code, reason := websocket.StatusCode(binary.BigEndian.Uint16(payload)), payload[2:]
	switch {
	case code < 1000, code >= 1004 && code <= 1006, code > 1014 && code < 3000, code > 4999:
		return protocolBreach(fmt.Sprintf("a close frame with the code %d", code))
	case !utf8.Valid(reason):
		return &breach{websocket.StatusInvalidFramePayloadData, "a close frame whose reason is not UTF-8"}
	}
	return websocket.CloseError{Code: code, Reason: string(reason)}
}

// beginFrame appends the header of a frame whose payload is appended behind it,
// and then closed with endFrame.
func beginFrame(b []byte, opcode byte) []byte { return append(b, finBit|opcode, 0) }

// endFrame writes the length of the frame whose payload begins at from.
func endFrame(b []byte, from int) []byte {
	switch n := len(b) - from; {
	case n <= maxControl:
		b[from-1] = byte(n)
	case n <= 0xFFFF:
		b = append(b, 0, 0)
		copy(b[from+2:], b[from:])
		b[from-1] = 126
		binary.BigEndian.PutUint16(b[from:], uint16(n))
	default:
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
		copy(b[from+8:], b[from:])
		b[from-1] = 127
		binary.BigEndian.PutUint64(b[from:], uint64(n))
	}
	return b
}

func appendFrame(b []byte, opcode byte, payload []byte) []byte {
	b = beginFrame(b, opcode)
	return endFrame(append(b, payload...), len(b))
}

// appendClose appends a close frame; without a status where code says so.
func appendClose(b []byte, code websocket.StatusCode, reason string) []byte {
	if code == websocket.StatusNoStatusRcvd {
		return appendFrame(b, opcodeClose, nil)
	}
	b = beginFrame(b, opcodeClose)
	from := len(b)
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	return endFrame(append(b, reason[:min(len(reason), maxControl-2)]...), from)
}

package transport

import (
	"errors"
	"io"
	"sync"
)

// Buffers are pooled, since most connections are idle most of the time.

// burstBuffer is what a writer works with.
type burstBuffer struct {
	b    []byte // frames, one behind the other
	ends []int  // where each of them ends
	wire []byte // the same with their headers
}

var bursts = sync.Pool{New: func() any { return &burstBuffer{} }}

// frameBuffer is what is needed from a frame's first byte until it has been dealt
// with.
type frameBuffer struct {
	b       []byte
	decoder *decoder
}

// keepFrame is the largest frame whose buffer is kept.
const keepFrame = 256 << 10

func (w *WebSocket) newFrameBuffer() any {
	return &frameBuffer{b: make([]byte, 4<<10), decoder: newDecoder(w.ops).with(w.mapping)}
}

func (f *frameBuffer) release(w *WebSocket) {
	if cap(f.b) <= keepFrame {
		w.frames.Put(f)
	}
}

// errFrameTooLarge is what read returns past its limit.
var errFrameTooLarge = errors.New("the frame is too large")

// read reads r to its end, at most limit bytes; or restoring, where that is more
// and the frame brings back a message. How far it has come is noted in on.
func (f *frameBuffer) read(r io.Reader, on *reading, limit, restoring, fragments int) ([]byte, error) {
	f.b = f.b[:cap(f.b)]
	n := 0
	for {
		if n == len(f.b) {
			// Grown as it comes, whatever length the frame's header claims.
			grown := make([]byte, min(2*len(f.b), max(limit, n)+512))
			copy(grown, f.b)
			f.b = grown
		}
		// No more than that: the library waits until the slice is full.
		space := f.b[n:min(len(f.b), limit+1)]
		got, err := on.read(r, space)
		if n += got; n > limit && n <= restoring && restores(f.b[:n]) {
			limit = restoring
		}
		if n > limit {
			return nil, errFrameTooLarge
		}
		if on.fragments > fragments {
			return nil, errFragments
		}
		if errors.Is(err, io.EOF) {
			on.end()
			return f.b[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
}

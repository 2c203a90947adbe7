package transport

import (
	"errors"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"
)

// bodies is the memory that requests may take, all together. What it has no room
// for is refused: a request that waited for room would hold what it has.
type bodies struct {
	max  int64
	used atomic.Int64

	spare [bodyClasses]sync.Pool // of *[]byte, of the sizes 4 KiB, 8 KiB, ...
}

// Buffers of up to 256 KiB are kept. They are few enough sizes, and a slow client
// that has sent little holds little.
const (
	leastBody   = 4 << 10
	bodyClasses = 7
	keptBody    = leastBody << (bodyClasses - 1)
)

// errNoRoom is returned where MaxBodies is reached.
var errNoRoom = errors.New("the bodies of other requests take all the room there is")

// errBodyTooLarge is returned past the limit of a body.
var errBodyTooLarge = errors.New("the body is too large")

// take takes n bytes, if there is room.
func (b *bodies) take(n int) bool {
	if b.used.Add(int64(n)) > b.max {
		b.used.Add(int64(-n))
		return false
	}
	return true
}

func (b *bodies) give(n int) { b.used.Add(int64(-n)) }

// classOf is the number of the least size that n bytes fit into; too large ones
// have a number that is none.
func classOf(n int) int { return max(bits.Len(uint(n-1))-bits.Len(leastBody-1), 0) }

// get gives an empty buffer for at least n bytes.
func (b *bodies) get(n int) ([]byte, error) {
	class := classOf(n)
	size := leastBody << class
	if class >= bodyClasses {
		size = n
	}
	if !b.take(size) {
		return nil, errNoRoom
	}
	if class < bodyClasses {
		if p, ok := b.spare[class].Get().(*[]byte); ok {
			return (*p)[:0], nil
		}
	}
	return make([]byte, 0, size), nil
}

// put takes a buffer back.
func (b *bodies) put(buf []byte) {
	size := cap(buf)
	b.give(size)
	if class := classOf(size); class < bodyClasses && size == leastBody<<class {
		b.spare[class].Put(&buf)
	}
}

// read reads r to its end, at most limit bytes. It begins with a buffer for about
// hint bytes, and grows as they come, whatever length somebody claims.
func (b *bodies) read(r io.Reader, hint, limit int) ([]byte, error) {
	buf, err := b.get(min(max(hint+1, leastBody), keptBody))
	if err != nil {
		return nil, err
	}
	for {
		if len(buf) == cap(buf) {
			grown, err := b.get(min(2*cap(buf), limit+leastBody))
			if err != nil {
				b.put(buf)
				return nil, err
			}
			grown = append(grown, buf...)
			b.put(buf)
			buf = grown
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > limit:
			err = errBodyTooLarge
		case err == io.EOF:
			return buf, nil
		}
		if err != nil {
			b.put(buf)
			return nil, err
		}
	}
}

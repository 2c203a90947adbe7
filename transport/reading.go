package transport

import (
	"errors"
	"io"
	"time"
)

// reading is how far the goroutine that reads a connection's messages has come
// with them. Only that goroutine uses it: it costs a message no more than a few
// additions. The library tells nothing of frames that bring no data, of which there
// may be millions: but the socket below it sees how many bytes came, and what is
// above it how many of them were data.
type reading struct {
	messages  uint64 // that have begun, and that have ended: odd within one
	fragments int    // of this message that brought data
	waste     int    // bytes of this second that were no data, or are not yet known to be
	room      int    // how many of them may be data
	second    int64  // when it began, Unix nanoseconds
	pings     int    // of a second
	pinged    int64  // when that began, Unix nanoseconds

	compressed bool // messages may be
}

const (
	// maxWaste is the most that a client may send in a second that brings no data:
	// control frames, empty fragments. It is some 2,700 of the smallest frames.
	maxWaste = 16 << 10

	// maxPings is the most pings that a client may send in a second, for each has to
	// be answered. Who is not read for a while might send more meanwhile; but who pings
	// as often and hears nothing has given up by then.
	maxPings = 64

	// maxHeader is the most bytes of a frame's header. They are no waste where there
	// is data behind them.
	maxHeader = 14

	// readAhead is the most data that the library may have read and not given.
	readAhead = 8 << 10
)

var (
	errFlood     = errors.New("too much that brings no data")
	errFragments = errors.New("too many fragments")
)

// begin notes that a message has begun.
func (r *reading) begin() {
	r.messages++
	r.fragments = 0
	r.waste -= maxHeader
}

// expect notes that up to n bytes of data are asked for.
func (r *reading) expect(n int) { r.room = n + readAhead }

// got notes that n of them came. The library gives less than it was asked for
// where a fragment ends, if nothing is compressed.
func (r *reading) got(n, asked int) {
	r.waste -= n
	if r.compressed {
		return
	}
	r.waste -= maxHeader
	if 0 < n && n < asked {
		r.fragments++
	}
}

// read reads from r, which gives the data of a message.
func (r *reading) read(from io.Reader, p []byte) (int, error) {
	r.expect(len(p))
	n, err := from.Read(p)
	r.got(n, len(p))
	return n, err
}

// end notes that the message has ended.
func (r *reading) end() {
	r.messages++
	r.room = 0
}

// partial is the number of the message that has begun and not ended; 0: none.
func (r *reading) partial() uint64 {
	if r.messages%2 == 0 {
		return 0
	}
	return r.messages
}

// ping counts a ping, and tells whether it is answered. The library calls it as it
// reads.
func (r *reading) ping(now int64) bool {
	if now-r.pinged >= int64(time.Second) {
		r.pinged, r.pings = now, 0
	}
	r.pings++
	return r.pings <= maxPings
}

// wasted tells whether too much has come that brought no data. It is asked when
// all that came has been looked at, and more is needed.
func (r *reading) wasted(now int64) bool {
	if now-r.second >= int64(time.Second) {
		r.second, r.waste = now, 0
	}
	r.waste = max(r.waste, 0)
	return r.waste > maxWaste+r.room || r.pings > maxPings
}

package transport

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// socket is the network connection below a websocket: it knows when something was
// received, bounds each write with a deadline, and can be cut from outside.
type socket struct {
	net.Conn
	writeTimeout time.Duration
	received     time.Time     // when Read last returned; for who calls Read
	reads        atomic.Uint64 // begun and ended: odd while one waits
	last         atomic.Int64  // the deadline for everything, Unix nanoseconds; 0: none
	sending      atomic.Bool   // something is being written

	mu     sync.Mutex
	closed bool // a close frame was sent: nothing may follow it
}

func (s *socket) Read(p []byte) (int, error) {
	s.reads.Add(1)
	n, err := s.Conn.Read(p)
	s.reads.Add(1)
	s.received = time.Now().UTC()
	return n, err
}

// send sends whole frames, unless a close frame was sent. The other side has the
// write timeout to take them.
func (s *socket) send(frames []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	return s.write(frames)
}

// close sends a close frame, unless one was sent, and then the end of what is
// sent. What the other side sends can still be read.
func (s *socket) close(code websocket.StatusCode, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	if s.write(appendClose(nil, code, reason)) == nil {
		if c, ok := s.Conn.(interface{ CloseWrite() error }); ok {
			_ = c.CloseWrite()
		}
	}
}

func (s *socket) write(p []byte) error {
	deadline := time.Now().Add(s.writeTimeout)
	if last := s.last.Load(); last != 0 && last < deadline.UnixNano() {
		deadline = time.Unix(0, last)
	}
	if err := s.SetWriteDeadline(deadline); err != nil {
		return err
	}
	if last := s.last.Load(); last != 0 && last < deadline.UnixNano() {
		_ = s.SetWriteDeadline(time.Unix(0, last)) // finish came between
	}
	s.sending.Store(true)
	defer s.sending.Store(false)
	_, err := s.Write(p)
	return err
}

// finish bounds everything that still happens on the socket.
func (s *socket) finish(d time.Duration) {
	t := time.Now().Add(d)
	s.last.Store(t.UnixNano())
	_ = s.SetDeadline(t)
}

// drop reads until the other side ends too, or the deadline for everything. Were
// the connection closed at once, what it has yet to read here would make it lose
// our last frame.
func (s *socket) drop(buf []byte) {
	for {
		if _, err := s.Conn.Read(buf); err != nil {
			return
		}
	}
}

// cut ends the connection at once, and drops what was not sent.
func (s *socket) cut() {
	c := s.Conn
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn() // TLS would wait to say goodbye
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// hijacker lets the library do the handshake and gives it nothing after that: the
// connection becomes a socket, with a reader of its frames.
type hijacker struct {
	http.ResponseWriter
	writeTimeout time.Duration
	socket       *socket
	frames       *frameReader
	status       int // of the answer, where it is not taken over; for the log
}

func (h *hijacker) WriteHeader(status int) {
	h.status = status
	h.ResponseWriter.WriteHeader(status)
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	early, err := rw.Reader.Peek(min(rw.Reader.Buffered(), readBuffer))
	if err != nil {
		return nil, nil, err
	}
	h.socket = &socket{Conn: conn, writeTimeout: h.writeTimeout, received: time.Now().UTC()}
	h.frames = newFrameReader(h.socket, early)
	return nowhere{}, rw, nil
}

// nowhere is the connection that the library is left with.
type nowhere struct{ net.Conn }

func (nowhere) Close() error { return nil }

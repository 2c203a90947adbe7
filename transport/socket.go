package transport

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// socket is the network connection below a websocket. The library has no way to
// send several frames at once, to bound one write without a timer, or to be cut
// from outside while it closes: so it gets a socket of ours.
type socket struct {
	net.Conn
	writeTimeout time.Duration
	reads        atomic.Uint64 // begun and ended: odd while one waits
	received     atomic.Int64  // when the last of them ended, Unix nanoseconds
	last         atomic.Int64  // the deadline for everything, Unix nanoseconds; 0: none
	sending      atomic.Bool   // something is being written
	partial      atomic.Uint64 // the message of which more is waited for, as reading counts; 0: none
	deaf         atomic.Bool   // what still comes is dropped

	reading reading // of who reads messages, until last is set

	mu     sync.Mutex
	corked bool
	buf    []byte // what was written while it was corked
}

// maxCorked is how much is kept before it is sent all the same.
const maxCorked = 64 << 10

// closeFrame is the first byte of a close frame. One is never kept: the library
// closes the socket when it has written it.
const closeFrame = 0x88

func (s *socket) Read(p []byte) (int, error) {
	if s.deaf.Load() {
		return s.drop(p)
	}
	// Once everything has an end, it may be somebody else who reads: who closes.
	messages := s.last.Load() == 0
	if messages {
		if err := s.look(); err != nil {
			return 0, err
		}
	}
	s.reads.Add(1)
	n, err := s.Conn.Read(p)
	s.received.Store(time.Now().UnixNano())
	s.reads.Add(1)
	if messages {
		s.reading.waste += n
	}
	if n == len(p) {
		// There is more to read: it would be read until the scheduler steps in, ten
		// milliseconds later, while those that store it wait.
		runtime.Gosched()
	}
	return n, err
}

// ping tells the library whether it is to answer a ping.
func (s *socket) ping(context.Context, []byte) bool { return s.reading.ping(s.received.Load()) }

// look tells the clock which message is waited for, and whether the client may go
// on.
func (s *socket) look() error {
	if m := s.reading.partial(); s.partial.Load() != m {
		s.partial.Store(m)
	}
	if s.reading.wasted(s.received.Load()) {
		s.deaf.Store(true)
		return errFlood
	}
	return nil
}

// drop reads, slowly, what a client sends that was told to go because of how much
// it sends. Were it left unread, the client might not hear that it was told.
func (s *socket) drop(p []byte) (int, error) {
	for {
		if _, err := s.Conn.Read(p); err != nil {
			return 0, err
		}
		<-time.After(droppedPace)
	}
}

// Write sends p, or keeps it until uncork. The other side has the write timeout
// to take it.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.corked && len(s.buf)+len(p) <= maxCorked && (len(p) == 0 || p[0] != closeFrame) {
		s.buf = append(s.buf, p...)
		return len(p), nil
	}
	if err := s.flush(); err != nil {
		return 0, err
	}
	return s.send(p)
}

// cork keeps what is written in buf until uncork, which gives buf back.
func (s *socket) cork(buf []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.corked, s.buf = true, buf[:0]
}

func (s *socket) uncork() (buf []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.flush()
	buf, s.buf, s.corked = s.buf, nil, false
	return buf, err
}

func (s *socket) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	_, err := s.send(s.buf)
	s.buf = s.buf[:0]
	return err
}

func (s *socket) send(p []byte) (int, error) {
	deadline := time.Now().Add(s.writeTimeout)
	if last := s.last.Load(); last != 0 && last < deadline.UnixNano() {
		deadline = time.Unix(0, last)
	}
	if err := s.Conn.SetWriteDeadline(deadline); err != nil {
		return 0, err
	}
	if last := s.last.Load(); last != 0 && last < deadline.UnixNano() {
		_ = s.Conn.SetWriteDeadline(time.Unix(0, last)) // finish came between
	}
	s.sending.Store(true)
	defer s.sending.Store(false)
	return s.Conn.Write(p)
}

// finish bounds everything that still happens on the socket.
func (s *socket) finish(d time.Duration) {
	t := time.Now().Add(d)
	s.last.Store(t.UnixNano())
	_ = s.SetDeadline(t)
}

// cut ends the connection at once, and drops what was not sent.
func (s *socket) cut() {
	c := s.Conn
	for {
		t, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = t.NetConn() // TLS would wait to say goodbye
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// hijacker puts a socket between the HTTP server's connection and the library
// that takes it over.
type hijacker struct {
	http.ResponseWriter
	socket *socket // of which the connection is not known yet
	status int     // of the answer, where it is not taken over; for the log
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
	h.socket.Conn = conn
	h.socket.received.Store(time.Now().UnixNano())
	rw.Writer.Reset(h.socket)
	return h.socket, rw, nil
}

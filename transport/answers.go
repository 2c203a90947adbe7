package transport

import (
	"context"
	"runtime"

	"github.com/coder/websocket"
)

const (
	// maxAnswers is how many answers other than acks may wait for a client before
	// nothing more is read from it.
	maxAnswers = 256

	// maxControls is how many control messages of a client may be outstanding
	// before nothing more is read from it.
	maxControls = 1024

	// enough answers are sent without waiting for more.
	enough = 64

	// burst is how much is encoded under the lock, and sent with one write.
	burst = 32 << 10
)

// answer waits in a connection's queue: a frame, or an ack, which is encoded
// when it is sent, since until then it may be raised.
type answer struct {
	frame  []byte
	stream *stream // of an ack
	seq    int64   // of an ack
}

// The methods below need the connection's lock.

// ack tells the client that all numbers of s up to seq, in the order in which it
// sent them, are taken care of. One that still waits is raised instead.
func (c *conn) ack(s *stream, seq int64) {
	if c.gone {
		return
	}
	if s.acking > 0 {
		c.queue[s.acking-1-c.sent].seq = seq
		return
	}
	c.push(answer{stream: s, seq: seq})
	s.acking = c.sent + int64(len(c.queue))
	if !c.writing {
		c.startWriter()
	}
}

// answer queues a frame. s is the stream that it is about, or nil: an ack of it
// that comes later must not be told earlier.
func (c *conn) answer(s *stream, frame []byte) {
	if c.gone {
		return
	}
	if s != nil {
		s.acking = 0
	}
	c.push(answer{frame: frame})
	c.answers++
	if !c.writing {
		c.startWriter()
	}
}

// push appends to the queue, whose part before head has been sent and is used
// again. c.sent is the number of the answer that stands at its beginning.
func (c *conn) push(a answer) {
	if len(c.queue) == cap(c.queue) && c.head > len(c.queue)/2 {
		n := copy(c.queue, c.queue[c.head:])
		clear(c.queue[n:])
		c.queue = c.queue[:n]
		c.sent += int64(c.head)
		c.head = 0
	}
	c.queue = append(c.queue, a)
}

func (c *conn) startWriter() {
	c.writing = true
	c.ws.group.Go(c.write)
}

// encode moves a burst of answers from the queue to b, and appends the end of
// each to ends.
func (c *conn) encode(b []byte, ends []int) ([]byte, []int) {
	for c.head < len(c.queue) && len(b) < burst {
		a := &c.queue[c.head]
		if a.stream != nil {
			b = appendAck(b, a.stream.wireID(), a.seq)
			if a.stream.acking == c.sent+int64(c.head)+1 {
				a.stream.acking = 0
			}
		} else {
			b = append(b, a.frame...)
			c.answers--
		}
		*a = answer{}
		ends = append(ends, len(b))
		c.head++
	}
	if c.head == len(c.queue) {
		c.sent += int64(c.head)
		c.head = 0
		if c.queue = c.queue[:0]; cap(c.queue) > 64 {
			c.queue = nil
		}
	}
	return b, ends
}

// write sends what is queued. It is a goroutine that lives while there is
// something to send.
func (c *conn) write() {
	c.gather()
	buf := bursts.Get().(*burstBuffer)
	defer bursts.Put(buf)
	for {
		c.mu.Lock()
		buf.b, buf.ends = c.encode(buf.b[:0], buf.ends[:0])
		c.room.Broadcast()
		if len(buf.ends) == 0 || c.gone {
			c.writing = false
			c.depart()
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		if err := c.send(buf); err != nil {
			c.unwritable(err)
			return
		}
	}
}

// gather lets others run for as long as more answers come of it: a burst costs far
// more than an answer. Where there is no load it takes no time.
func (c *conn) gather() {
	for had := 0; ; {
		runtime.Gosched()
		c.mu.Lock()
		have := len(c.queue) - c.head
		c.mu.Unlock()
		if have == had || have >= enough {
			return
		}
		had = have
	}
}

func (c *conn) send(buf *burstBuffer) error {
	c.socket.cork(buf.wire)
	var err error
	from := 0
	for _, end := range buf.ends {
		// The socket has the deadline; a context with one would cost a timer.
		if err = c.conn.Write(context.Background(), websocket.MessageText, buf.b[from:end]); err != nil {
			break
		}
		from = end
	}
	wire, flushErr := c.socket.uncork()
	if buf.wire = wire; err == nil {
		err = flushErr
	}
	return err
}

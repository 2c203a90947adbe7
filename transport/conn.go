package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// goodbye is how long a client has to take part in the end of its connection:
// to take its last answers, and to close.
const goodbye = 3 * time.Second

// droppedPace is the time between two frames of a client that goes on sending in a
// drain. They are read, for there may be a pong or a close behind them, and
// dropped; the time that it takes belongs to what is still to be stored.
const droppedPace = 100 * time.Millisecond

// shuttingDown is the reason with which connections are closed in a drain.
const shuttingDown = "the server is shutting down"

// conn is one client. Its run goroutine reads, decodes and routes; a write
// goroutine exists while there are answers; Spooled and Settled come from the
// engine. mu is never held during Route.
type conn struct {
	ws     *WebSocket
	conn   *websocket.Conn
	socket *socket
	pass   *pass
	ids    *idSet // that the client may send to; nil: every id
	remote string
	name   string // the client's name for itself, or empty
	ping   pinger // the clock's
	paces  paces

	sender *sender // what the router has of it

	received atomic.Uint64 // frames
	taken    atomic.Uint64 // messages that the router accepted

	mu      sync.Mutex
	room    sync.Cond // answers were sent, controls settled, or everything ends
	table   table
	pending int // messages that are not settled, or in the hands of a handler

	queue   []answer // what is to be sent; before head it has been
	head    int
	sent    int64 // how many answers stood before queue's beginning, in all
	answers int   // those in queue that are no acks
	writing bool  // there is a write goroutine

	controls int           // control messages that are not settled
	flushes  map[int64]int // flushes of everything: how many streams are left of each
	flushed  int64         // the number of the last of them

	draining bool // nothing more is routed
	leaving  bool // the close handshake has begun
	gone     bool // nothing more can be answered
}

func (c *conn) run() {
	code, reason, err := c.read()
	c.end(code, reason, err)
}

// read serves frames until the connection ends, and gives the status with which
// to close it, 0 where there is nobody to tell, and the error that ended it.
func (c *conn) read() (code websocket.StatusCode, reason string, err error) {
	for {
		// A context that can end would cost three times as much, and its end would
		// close the connection: so it is cut from outside.
		typ, r, err := c.conn.Reader(context.Background())
		if err != nil {
			code, reason = c.readStatus(err)
			return code, reason, err
		}
		c.received.Add(1)
		c.socket.reading.begin()
		limits := c.ws.limits.Load()
		buf := c.ws.frames.Get().(*frameBuffer)
		frame, err := buf.read(r, &c.socket.reading, int(c.ws.config.MaxMessageSize), c.ws.restoring, limits.MaxFragments)
		if err != nil {
			buf.release(c.ws)
			code, reason = c.readStatus(err)
			return code, reason, err
		}
		valid := utf8.Valid(frame)
		if !valid && typ == websocket.MessageText {
			buf.release(c.ws)
			return websocket.StatusInvalidFramePayloadData, "text that is not UTF-8", nil
		}
		messages, on := c.frame(buf.decoder, frame, valid)
		buf.release(c.ws)
		switch {
		case !on:
			<-time.After(droppedPace)
		case limits.rated():
			c.throttle(limits, messages, len(frame))
		}
	}
}

// readStatus tells with what to close after a read has failed. Where the library
// has sent a close frame already, ours is dropped, but the client is given time
// to read it.
func (c *conn) readStatus(err error) (websocket.StatusCode, string) {
	switch {
	case errors.Is(err, errFrameTooLarge):
		return websocket.StatusMessageTooBig,
			fmt.Sprintf("the frame is larger than max_message_size, %v", c.ws.config.MaxMessageSize)
	case errors.Is(err, errFragments):
		c.socket.deaf.Store(true)
		c.ws.stats.flooding.Add(1)
		return websocket.StatusPolicyViolation, fmt.Sprintf("the message has more than max_fragments, %d", c.ws.limits.Load().MaxFragments)
	case errors.Is(err, errFlood):
		c.ws.stats.flooding.Add(1)
		return websocket.StatusPolicyViolation, "too many control frames or empty fragments"
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded),
		websocket.CloseStatus(err) != -1:
		return 0, ""
	}
	return websocket.StatusProtocolError, "the frame breaks the protocol"
}

// frame routes the messages of one frame, and gives how many there were. on is
// false once nothing more is to be routed.
func (c *conn) frame(d *decoder, frame []byte, valid bool) (messages int, on bool) {
	var m incoming
	msg := engine.Message{
		Client:   c.name,
		Received: time.Unix(0, c.socket.received.Load()).UTC(), // asking the clock for each frame would cost more
		Remote:   c.remote,
		Sender:   c.pass.sender,
	}
	d.reset(frame, valid)
	defer d.release()
	for d.next(&m) {
		if !c.message(&m, &msg, d) {
			return messages, false
		}
		messages++
	}
	return messages, true
}

// drain stops the routing. The connection stays until everything that came over
// it is settled and answered.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	c.room.Broadcast()
	c.depart()
}

// depart closes the connection at the end of a drain, as soon as nothing is left
// to tell. It needs the lock.
func (c *conn) depart() {
	if !c.draining || c.pending > 0 || c.gone {
		return
	}
	if c.socket.last.Load() == 0 {
		c.socket.finish(goodbye)
	}
	if c.head < len(c.queue) || c.writing || c.leaving {
		return
	}
	c.leaving = true
	c.ws.group.Go(func() {
		_ = c.conn.Close(websocket.StatusGoingAway, shuttingDown)
	})
}

// unwritable ends the connection of a client that does not take its answers.
func (c *conn) unwritable(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.ws.stats.slow.Add(1)
		c.ws.log.Debug("client cut: it does not read its answers", "remote", c.remote, "client", hclog.Quote(c.name))
	}
	c.mu.Lock()
	c.writing = false
	c.vanish()
	c.mu.Unlock()
	c.socket.cut()
}

// vanish forgets what can no longer be told. It needs the lock.
func (c *conn) vanish() {
	c.gone = true
	c.queue, c.head, c.answers = nil, 0, 0
	c.room.Broadcast()
}

// end does what is due when a client is gone: its streams are flushed, and ended
// unless another has sent to them.
func (c *conn) end(code websocket.StatusCode, reason string, err error) {
	c.mu.Lock()
	c.vanish()
	draining, drained := c.draining, c.leaving
	streams := c.table.m
	c.table.m = nil
	c.mu.Unlock()
	c.sender.conn.Store(nil)

	if draining {
		c.ws.forget(streams)
	} else {
		c.ws.disconnect(c, streams)
	}
	if code != 0 {
		c.socket.finish(goodbye)
		_ = c.conn.Close(code, reason)
	}
	_ = c.conn.CloseNow()
	c.logClosed(code, reason, err, drained)
	c.ws.remove(c)
}

// errConnGone is what Reply returns once the connection has ended.
var errConnGone = errors.New("the connection has ended")

// reply sends a frame of the host program's own.
func (c *conn) reply(frame []byte) error {
	s := scanner{b: frame}
	if len(frame) == 0 || frame[0] != '{' || s.value(0) != len(frame) || !utf8.Valid(frame) {
		return errors.New("a reply must be one JSON object")
	}
	frame = bytes.Clone(frame)
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.gone && !c.draining && c.answers >= maxAnswers {
		c.room.Wait()
	}
	if c.gone || c.leaving {
		return errConnGone
	}
	c.answer(nil, frame)
	return nil
}

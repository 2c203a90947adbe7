package transport

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

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
	socket *socket
	frames *frameReader
	remote string
	name   string // the client's name for itself, or empty
	ping   pinger // the clock's

	sender *sender // what the router has of it

	received atomic.Uint64 // frames
	taken    atomic.Uint64 // messages that the router accepted

	mu      sync.Mutex
	room    sync.Cond // answers were sent, controls settled, or everything ends
	table   table
	pending int // messages that are not settled, or in the hands of a handler

	queue   []answer // what is to be sent; before head it has been
	head    int
	sent    int64  // how many answers stood before queue's beginning, in all
	answers int    // those in queue that are no acks
	pong    []byte // what the last ping of the client said
	ponging bool   // it is to be answered
	pinging bool   // a ping is to be sent
	writing bool   // there is a write goroutine

	controls int           // control messages that are not settled
	flushes  map[int64]int // flushes of everything: how many streams are left of each
	flushed  int64         // the number of the last of them

	draining bool // nothing more is routed
	leaving  bool // the close frame of a drain is all that is still to be sent
	gone     bool // nothing more can be answered
}

func (c *conn) run() { c.end(c.read()) }

// read serves frames until the connection ends, and tells how: with the
// [websocket.CloseError] of the client, a breach of the protocol, or an error of
// the network.
func (c *conn) read() error {
	for {
		opcode, payload, err := c.frames.read()
		if err != nil {
			return err
		}
		switch opcode {
		case opcodePing:
			c.sendPong(payload)
			continue
		case opcodePong: // it is heard, which is all that the clock asks for
			continue
		case opcodeClose:
			return closed(payload)
		}
		c.received.Add(1)
		valid := utf8.Valid(payload)
		if !valid && opcode == opcodeText {
			return &breach{websocket.StatusInvalidFramePayloadData, "text that is not UTF-8"}
		}
		if !c.frame(payload, valid) {
			<-time.After(droppedPace)
		}
	}
}

// frame routes the messages of one frame. It returns false once nothing more is to
// be routed.
func (c *conn) frame(payload []byte, valid bool) bool {
	d := c.ws.decoders.Get().(*decoder)
	d.reset(payload, valid)
	m, msg := incoming{}, engine.Message{Client: c.name, Received: c.socket.received, Remote: c.remote}
	on := true
	for on && d.next(&m) {
		on = c.message(&m, &msg, d)
	}
	d.release()
	c.ws.decoders.Put(d)
	return on
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
	if !c.draining || c.pending > 0 || c.gone || c.leaving {
		return
	}
	if c.socket.last.Load() == 0 {
		c.socket.finish(goodbye)
	}
	if c.head < len(c.queue) || c.writing {
		return
	}
	c.leaving = true
	c.startWriter()
}

// unwritable ends the connection of a client that does not take its answers.
func (c *conn) unwritable(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.ws.stats.slow.Add(1)
		c.ws.log.Debug("client cut: it does not read its answers", "remote", c.remote, "client", c.name)
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
// unless another has sent to them. Then the connection is closed, as err asks for.
func (c *conn) end(err error) {
	c.mu.Lock()
	c.vanish()
	draining, drained := c.draining, c.leaving
	streams := c.table.m
	c.table.m = nil
	c.mu.Unlock()
	c.sender.conn.Store(nil)

	breach, breached := errors.AsType[*breach](err)
	closed, wasClosed := errors.AsType[websocket.CloseError](err)
	switch {
	case breached:
		c.socket.finish(goodbye)
		c.socket.close(breach.code, breach.reason)
	case wasClosed:
		c.socket.finish(goodbye)
		c.socket.close(closed.Code, "")
	}
	if draining {
		c.ws.forget(streams)
	} else {
		c.ws.disconnect(c, streams)
	}
	if breached {
		c.socket.drop(c.frames.b)
	}
	_ = c.socket.Close()
	c.logClosed(err, drained)
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

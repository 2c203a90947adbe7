package client

import (
	"cmp"
	"slices"
	"time"

	"github.com/ingestd/ingestd/internal/seedbug"
)

// The window is what was taken and is not settled: for each id a queue, in the
// order of its numbers, of which the first have been sent over the present
// connection. All of it is guarded by the client's lock.

// entry is a message that is not settled.
type entry struct {
	seq   int64
	body  []byte // as it is sent
	epoch *epoch
	batch *batch // of the journal, until which is written it is not sent; or nil
	call  *call  // of a Done
}

// stream is what is known of an id.
type stream struct {
	id    string
	last  int64   // the last number that was given
	queue []entry // ascending
	sent  int     // how many of them this connection was sent
	ready bool    // it is in the client's list of those that have something to send

	// After a retry error: what was sent over this connection up to the number
	// until was refused with it, each with an answer of its own; nothing is sent
	// again before the last of those has come, nor before the pause is over.
	until  int64
	pause  time.Time
	paused bool // it is in the client's list of those
	tries  int  // retry errors since the last ack

	calls []*call // of those Done that are acked, and not answered
}

// call is a Done that waits for its answer.
type call struct {
	ended    chan struct{}
	answered bool // before its ack
	lost     bool // its connection ended between its ack and its answer
	messages int64
	err      error
}

func (x *call) end(messages int64, err error) {
	x.messages, x.err = messages, err
	close(x.ended)
}

// epoch counts the messages between two calls of Flush.
type epoch struct {
	left    int           // not settled
	unsent  int           // of those, not sent over this connection
	flushed bool          // the server was asked to flush them
	settled chan struct{} // closed once none is left, nor of those before; nil: nobody waits
}

// maxIdle is how many ids without messages are remembered, for their last number.
const maxIdle = 1 << 14

// stream finds or makes the stream of id.
func (c *Client) stream(id string) *stream {
	s := c.streams[id]
	if s == nil {
		if len(c.streams) > 2*(maxIdle+c.streamsBusy) {
			for id, s := range c.streams {
				if len(s.queue) == 0 && len(s.calls) == 0 {
					delete(c.streams, id)
				}
			}
		}
		s = &stream{id: id}
		c.streams[id] = s
	}
	return s
}

// push takes a message into the window.
func (c *Client) push(s *stream, e entry) {
	e.epoch = c.epochs[len(c.epochs)-1]
	e.epoch.left++
	e.epoch.unsent++
	e.epoch.flushed = false
	if len(s.queue) == 0 {
		c.streamsBusy++
	}
	s.queue = append(s.queue, e)
	c.count++
	c.bytes += len(e.body)
	c.makeReady(s)
}

// makeReady puts s in line for sending, if it has something to send.
func (c *Client) makeReady(s *stream) {
	if s.ready || s.paused || s.sent == len(s.queue) || !s.queue[s.sent].written() {
		return
	}
	s.ready = true
	c.ready = append(c.ready, s)
	c.wakeWriter()
}

// written tells that the entry may be sent.
func (e *entry) written() bool { return e.batch == nil || e.batch.written }

// pop takes the entries from i to j, which are settled, out of the window.
func (c *Client) pop(s *stream, i, j int) {
	for k := i; k < j; k++ {
		e := &s.queue[k]
		c.bytes -= len(e.body)
		c.free(e.body)
		e.epoch.left--
		if k >= s.sent {
			e.epoch.unsent--
		}
	}
	s.sent -= max(0, min(j, s.sent)-i)
	s.queue = slices.Delete(s.queue, i, j)
	if len(s.queue) == 0 {
		c.streamsBusy--
		if cap(s.queue) > 64 {
			s.queue = nil
		}
	}
	c.count -= j - i
	c.settledCount += uint64(j - i)
	for c.epochs[0].left == 0 && (len(c.epochs) > 1 || c.epochs[0].settled != nil) {
		if e := c.epochs[0]; e.settled != nil {
			c.settled = append(c.settled, e.settled)
		}
		if c.epochs = c.epochs[1:]; len(c.epochs) == 0 {
			c.epochs = append(c.epochs, &epoch{})
		}
	}
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// ack settles what was sent of s up to seq. What was not sent, or is to be sent
// again, is not meant: the server answered it with an error before.
func (c *Client) ack(s *stream, seq int64) news {
	if s == nil {
		return news{}
	}
	n := 0
	for n < s.sent && s.queue[n].seq <= seq {
		n++
	}
	if seedbug.Is("client-ack-off-by-one") && n > 0 && n < len(s.queue) {
		n++
	}
	c.answeredUpTo(s, seq)
	if n == 0 {
		return news{}
	}
	s.tries = 0
	last := s.queue[n-1].seq
	for i := range s.queue[:n] {
		x := s.queue[i].call
		switch {
		case x == nil:
		case x.answered:
			x.end(x.messages, nil)
		default:
			s.calls = append(s.calls, x)
			c.calling[s] = struct{}{}
		}
	}
	c.pop(s, 0, n)
	if c.journal != nil {
		c.journal.acked(s.id, last, c.count == 0)
	}
	return news{acked: s.id, seq: last}
}

// refuse settles the message that r names.
func (c *Client) refuse(s *stream, r Refusal) news {
	c.answeredUpTo(s, r.Seq)
	for i := range s.sent {
		if s.queue[i].seq != r.Seq {
			continue
		}
		if x := s.queue[i].call; x != nil {
			x.end(0, &r)
		}
		c.pop(s, i, i+1)
		if c.journal != nil {
			c.journal.refused(s.id, r.Seq, c.count == 0)
		}
		return news{refused: &r}
	}
	return news{}
}

// done takes the answer to a Done.
func (c *Client) done(s *stream, messages *int64) {
	if s == nil {
		return
	}
	count := int64(-1)
	if messages != nil {
		count = *messages
	}
	if len(s.calls) > 0 {
		s.calls[0].end(count, nil)
		if s.calls = s.calls[1:]; len(s.calls) == 0 {
			s.calls = nil
			delete(c.calling, s)
		}
		return
	}
	for i := range s.sent { // its ack is still to come
		if x := s.queue[i].call; x != nil && !x.answered {
			x.answered, x.messages = true, count
			return
		}
	}
}

// answerCalls ends those Done whose answer was lost, and whose end is stored.
func (c *Client) answerCalls(s *stream) {
	s.calls = slices.DeleteFunc(s.calls, func(x *call) bool {
		if x.lost {
			x.end(-1, nil)
		}
		return x.lost
	})
	if len(s.calls) == 0 {
		delete(c.calling, s)
	}
}

// rewind has everything of s from seq sent again, after a pause: the server had no
// room for it, and takes nothing behind it until it comes.
func (c *Client) rewind(s *stream, seq int64) {
	if i, _ := slices.BinarySearchFunc(s.queue[:s.sent], seq, func(e entry, seq int64) int {
		return cmp.Compare(e.seq, seq)
	}); i < s.sent {
		s.until = max(s.until, s.queue[s.sent-1].seq)
		c.unsend(s, i)
		if !s.paused {
			s.paused = true
			s.pause = time.Now().Add(c.backoff(s.tries))
			s.tries++
			c.paused = append(c.paused, s)
		}
	}
	c.answeredUpTo(s, seq)
}

// answeredUpTo notes that what was sent of s up to seq has been answered.
func (c *Client) answeredUpTo(s *stream, seq int64) {
	if s.until != 0 && seq >= s.until {
		s.until = 0
		c.wakeWriter()
	}
}

// unsend counts the entries from i as not sent.
func (c *Client) unsend(s *stream, i int) {
	for k := i; k < s.sent; k++ {
		s.queue[k].epoch.unsent++
		s.queue[k].epoch.flushed = false
	}
	s.sent = i
}

// resume puts the streams whose pause is over back in line, and tells when the
// next one is; zero: none.
func (c *Client) resume(now time.Time) (next time.Time) {
	c.paused = slices.DeleteFunc(c.paused, func(s *stream) bool {
		switch {
		case s.until != 0:
			return false
		case now.Before(s.pause):
			if next.IsZero() || s.pause.Before(next) {
				next = s.pause
			}
			return false
		}
		s.paused = false
		c.makeReady(s)
		return true
	})
	return next
}

// reconnected prepares everything for a new connection: all that is not settled is
// to be sent again, in order, before anything new.
func (c *Client) reconnected() {
	c.ready, c.paused = c.ready[:0], c.paused[:0]
	for _, s := range c.streams {
		s.ready, s.paused, s.until = false, false, 0
		c.unsend(s, 0)
		if seedbug.Is("client-resend-out-of-order") {
			slices.Reverse(s.queue)
		}
		c.makeReady(s)
	}
	c.asking = c.asking[:0]
	for s := range c.calling {
		for _, x := range s.calls {
			x.lost = true
		}
		c.asking = append(c.asking, s)
	}
	for _, e := range c.epochs {
		e.flushed = false
	}
}

// fill appends to b what is to be sent next, up to a frame's size, and counts it
// as sent; part tells of the frame's only message, where it is one.
func (c *Client) fill(b []byte) (frame []byte, parts int, only part) {
	for len(c.asking) > 0 {
		s := c.asking[len(c.asking)-1]
		c.asking = c.asking[:len(c.asking)-1]
		b = append(appendFlush(b, s.id), '\n')
		parts++
	}
	turns := 0
	for turns < len(c.ready) && (parts == 0 || len(b) < c.frameBytes) {
		s := c.ready[turns]
		for !s.paused && s.sent < len(s.queue) && s.queue[s.sent].written() {
			e := &s.queue[s.sent]
			if parts > 0 && len(b)+len(e.body) >= c.frameBytes {
				break
			}
			b = append(append(b, e.body...), '\n')
			parts++
			only = part{s, e.seq}
			e.epoch.unsent--
			s.sent++
		}
		if !s.paused && s.sent < len(s.queue) && s.queue[s.sent].written() {
			break // the frame is full
		}
		s.ready = false
		turns++
	}
	c.ready = slices.Delete(c.ready, 0, turns)
	if len(c.ready) > 1 && turns == 0 {
		c.ready = append(c.ready[1:], c.ready[0]) // another's turn
	}
	if len(b) < c.frameBytes && c.flushDue() {
		b = append(appendFlush(b, ""), '\n')
		parts++
	}
	return b, parts, only
}

// part is one message that was sent.
type part struct {
	stream *stream
	seq    int64
}

// flushDue tells that somebody waits for what has been sent, and that the server
// was not asked yet to flush it.
func (c *Client) flushDue() bool {
	due := false
	for _, e := range c.epochs {
		waiting := e.settled != nil
		if !waiting && !c.stalled || waiting && e.unsent > 0 {
			break
		}
		due = due || !e.flushed && e.left > e.unsent
		e.flushed = e.unsent == 0
	}
	c.stalled = false
	return due
}

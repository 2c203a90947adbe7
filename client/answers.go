package client

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// The ops that both sides use.
const (
	opReport = "report"
	opDone   = "done"
	opFlush  = "flush"
	opResume = "resume"
	opAck    = "ack"
	opError  = "error"
)

// answer is a frame of the server.
type answer struct {
	Op       string
	ID       json.RawMessage
	Seq      int64
	Messages *int64
	Code     string
	Error    string
	Retry    bool
}

// parseAck reads an ack as it usually looks, without an allocation.
func parseAck(frame []byte) (id []byte, seq int64, ok bool) {
	rest, ok := bytes.CutPrefix(frame, []byte(`{"op":"ack","id":"`))
	if !ok {
		return nil, 0, false
	}
	end := bytes.IndexByte(rest, '"')
	if end < 0 || bytes.IndexByte(rest[:end], '\\') >= 0 {
		return nil, 0, false
	}
	id = rest[:end]
	if rest, ok = bytes.CutPrefix(rest[end:], []byte(`","seq":`)); !ok {
		return nil, 0, false
	}
	digits, ok := bytes.CutSuffix(rest, []byte("}"))
	if !ok || len(digits) > 19 {
		return nil, 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return nil, 0, false
		}
		seq = seq*10 + int64(c-'0')
	}
	return id, seq, len(digits) > 0
}

// parseAnswer reads any frame of the server.
func parseAnswer(frame []byte) (a answer, id string, err error) {
	if err = json.Unmarshal(frame, &a); err != nil {
		return a, "", err
	}
	if len(a.ID) > 0 && a.ID[0] == '"' {
		err = json.Unmarshal(a.ID, &id)
		return a, id, err
	}
	if _, notNumber := strconv.ParseUint(string(a.ID), 10, 64); notNumber == nil {
		id = string(a.ID)
	}
	return a, id, nil
}

// news is what a frame changed, told to the caller's functions once no lock is
// held.
type news struct {
	acked   string // the id of an ack that settled something
	seq     int64
	refused *Refusal
}

// heard takes a frame of the server.
func (c *Client) heard(frame []byte) error {
	if id, seq, ok := parseAck(frame); ok {
		c.mu.Lock()
		c.unlockAndTell(c.ack(c.streams[string(id)], seq))
		return nil
	}
	a, id, err := parseAnswer(frame)
	if err != nil {
		return err
	}
	var n news
	c.mu.Lock()
	s := c.streams[id]
	switch a.Op {
	case opAck:
		n = c.ack(s, a.Seq)
	case opDone:
		c.done(s, a.Messages)
	case opFlush:
		if s != nil {
			c.answerCalls(s) // nothing before the flush is pending any more
		}
	case opError:
		n = c.failed(s, id, &a)
	}
	c.unlockAndTell(n)
	return nil
}

// failed takes an error answer. It needs the lock.
func (c *Client) failed(s *stream, id string, a *answer) news {
	switch {
	case s == nil || a.Seq == 0:
		c.log.Warn("an error that names no message of this client", "code", a.Code, "id", id, "seq", a.Seq, "error", a.Error)
		return news{}
	case a.Retry:
		c.rewind(s, a.Seq)
		return news{}
	}
	return c.refuse(s, Refusal{ID: s.id, Seq: a.Seq, Code: a.Code, Text: a.Error})
}

// unlockAndTell lets go of the lock, calls the caller's functions, and then ends
// the calls of Flush that waited for what they are told.
func (c *Client) unlockAndTell(n news) {
	c.telling = true
	c.mu.Unlock()
	switch {
	case n.refused != nil && c.opts.Refused != nil:
		c.opts.Refused(*n.refused)
	case n.refused != nil:
		c.log.Error("message refused", "id", n.refused.ID, "seq", n.refused.Seq, "code", n.refused.Code, "error", n.refused.Text)
	case n.acked != "" && c.opts.Acked != nil:
		c.opts.Acked(n.acked, n.seq)
	}
	c.mu.Lock()
	c.telling = false
	c.endFlushes()
	c.mu.Unlock()
}

// endFlushes ends the calls of Flush that wait for nothing any more. It needs the
// lock.
func (c *Client) endFlushes() {
	if c.telling {
		return
	}
	for _, s := range c.settled {
		close(s)
	}
	c.settled = c.settled[:0]
}

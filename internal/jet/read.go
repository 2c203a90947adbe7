package jet

import (
	"encoding/binary"
	"errors"
	"time"
	"unsafe"

	"github.com/ingestd/ingestd/engine"
)

var (
	// ErrNotACarrier is returned for what no version of this program has written.
	ErrNotACarrier = errors.New("not a carrier")

	// ErrNewer is returned for a carrier that only a newer version can read.
	ErrNewer = errors.New("a carrier of a newer layout: upgrade this ingestd")
)

// Carrier is one that is read. It is used by one goroutine.
type Carrier struct {
	Header
	Messages int // how many Reports are in it
	Ends     int // how many Dones and Disconnects

	c     cursor
	batch struct {
		id    string
		flags byte
		left  uint64 // messages not read yet
	}
	prev engine.Message
}

// ReadCarrier reads all of a carrier, so that it is known to be one before anything
// of it is routed: Next finds no fault. Data must not be changed as long as the
// messages are in use.
func ReadCarrier(data []byte) (*Carrier, error) {
	if len(data) < HeaderLen || string(data[:len(magic)]) != magic || data[len(magic)] == 0 {
		return nil, ErrNotACarrier
	}
	if data[len(magic)] > version {
		return nil, ErrNewer
	}
	c := &Carrier{
		Header: Header{Flow: binary.BigEndian.Uint64(data[flowAt:]), N: binary.BigEndian.Uint64(data[numAt:])},
		c:      cursor{data: data[HeaderLen:]},
	}
	scan := cursor{data: data[HeaderLen:]}
	for len(scan.data) > 0 {
		c.scan(&scan)
	}
	if scan.bad {
		return nil, ErrNotACarrier
	}
	c.prev.Received = epoch
	return c, nil
}

// scan reads one batch for its faults, and counts.
func (c *Carrier) scan(s *cursor) {
	id := s.bytes()
	flags := s.batchFlags()
	count := s.uvarint()
	switch {
	case len(id) == 0 || count == 0 && flags == 0:
		s.fail()
	case count > uint64(len(s.data)): // a message has more than a byte
		s.fail()
	}
	for ; count > 0 && !s.bad; count-- {
		s.skipMessage()
		c.Messages++
	}
	if flags&(endsDone|endsDisconnect) != 0 {
		c.Ends++
		s.skipTime()
	}
	if flags&hasFinal != 0 {
		s.skipMessage()
	}
}

// Next gives the next message as it is to be routed: the Reports, and what ended
// their streams in its place. It returns false after the last. ID and Data share
// the memory of the carrier; the other texts do not.
func (c *Carrier) Next(m *engine.Message) bool {
	b := &c.batch
	for b.left == 0 {
		if b.flags != 0 {
			c.end(m)
			b.flags = 0
			return true
		}
		if len(c.c.data) == 0 {
			return false
		}
		b.id = c.c.view()
		b.flags = c.c.batchFlags()
		b.left = c.c.uvarint()
	}
	b.left--
	c.message()
	*m = c.prev
	return true
}

func (c *Carrier) end(m *engine.Message) {
	c.prev.Received = c.c.time(c.prev.Received)
	*m = engine.Message{ID: c.batch.id, Received: c.prev.Received}
	if c.batch.flags&hasFinal != 0 {
		c.message()
		*m = c.prev
	}
	m.Kind = engine.Done
	if c.batch.flags&endsDisconnect != 0 {
		m.Kind = engine.Disconnect
	}
}

// message reads a message over the one before it.
func (c *Carrier) message() {
	m, s := &c.prev, &c.c
	flags, more := s.messageFlags()
	m.ID = c.batch.id
	m.Replayed = more&replayed != 0
	if flags&newClient != 0 {
		m.Client = string(s.bytes())
	}
	if flags&newOp != 0 {
		m.Op = string(s.bytes())
	}
	if flags&newRemote != 0 {
		m.Remote = string(s.bytes())
	}
	if flags&newSender != 0 {
		m.Sender = string(s.bytes())
	}
	m.Seq += s.varint()
	m.Code = 0
	if flags&hasCode != 0 {
		m.Code = s.varint()
	}
	m.Received = s.time(m.Received)
	m.Time = time.Time{}
	if flags&hasTime != 0 {
		m.Time = s.time(m.Received)
	}
	m.Data = nil
	if data := s.bytes(); len(data) > 0 {
		m.Data = data
	}
}

// cursor reads. Once something was missing it is bad and gives zeros.
type cursor struct {
	data []byte
	bad  bool
}

func (s *cursor) fail() { s.data, s.bad = nil, true }

func (s *cursor) byte() byte {
	if len(s.data) == 0 {
		s.fail()
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return b
}

func (s *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(s.data)
	if n <= 0 {
		s.fail()
		return 0
	}
	s.data = s.data[n:]
	return v
}

func (s *cursor) varint() int64 {
	v, n := binary.Varint(s.data)
	if n <= 0 {
		s.fail()
		return 0
	}
	s.data = s.data[n:]
	return v
}

func (s *cursor) bytes() []byte {
	n := s.uvarint()
	if n > uint64(len(s.data)) {
		s.fail()
		return nil
	}
	b := s.data[:n:n]
	s.data = s.data[n:]
	return b
}

// view is a text that shares the memory of the carrier.
func (s *cursor) view() string {
	b := s.bytes()
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (s *cursor) batchFlags() byte {
	flags := s.byte()
	ends := flags & (endsDone | endsDisconnect)
	if flags&^batchFlags != 0 || ends == endsDone|endsDisconnect || flags&hasFinal != 0 && ends == 0 {
		s.fail()
		return 0
	}
	return flags
}

func (s *cursor) messageFlags() (flags, more byte) {
	flags = s.byte()
	if flags&hasMore != 0 {
		more = s.byte()
	}
	if flags&^messageFlags != 0 || more&^moreFlags != 0 {
		s.fail()
		return 0, 0
	}
	return flags, more
}

func (s *cursor) time(after time.Time) time.Time {
	seconds := s.varint()
	nanos := int64(after.Nanosecond())
	if seconds&1 == 0 {
		nanos += s.varint()
	}
	return time.Unix(after.Unix()+seconds>>1, nanos).UTC()
}

func (s *cursor) skipTime() {
	if s.varint()&1 == 0 {
		s.varint()
	}
}

func (s *cursor) skipMessage() {
	flags, _ := s.messageFlags()
	for f := byte(newClient); f <= newSender; f <<= 1 {
		if flags&f != 0 {
			s.bytes()
		}
	}
	s.varint()
	if flags&hasCode != 0 {
		s.varint()
	}
	s.skipTime()
	if flags&hasTime != 0 {
		s.skipTime()
	}
	s.bytes()
}

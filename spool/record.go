package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// A record is a message in the log:
//
//	magic 4 | length 4 | position 8 | place 4 | CRC 4 | payload | CRC 4
//
// The length is that of all of it. The place is how many positions the record is
// behind the first of its batch. A seal is a record without a payload; its position
// is that of the next record, which is in another segment.
const (
	recordMagic = 0x1e5a6ed1
	sealMagic   = 0x1e5a5ea1

	headerLen = 24
	frameLen  = headerLen + 4 // of a record without a payload
	sealLen   = frameLen
	maxRecord = math.MaxInt32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A salt begins every checksum of a spool.
type salt uint32

func (s salt) sum(b []byte) uint32 { return crc32.Update(uint32(s), castagnoli, b) }

// A frame is a record as it is in the log, with valid checksums.
type frame struct {
	position uint64
	batch    uint64 // the position of the first record of its batch
	seal     bool
	payload  []byte // in the reader's memory
	raw      []byte // all of it
	off      int64  // where it is in its segment
}

// end is where the next record begins.
func (f *frame) end() int64 { return f.off + int64(len(f.raw)) }

// kind is that of the message, and id its stream.
func (f *frame) kind() engine.Kind { return engine.Kind(f.payload[0]) }
func (f *frame) id() []byte        { return f.payload[3 : 3+int(f.payload[2])] }

// finishFrame writes the frame around the payload that is in b from headerLen on.
func finishFrame(b []byte, magic uint32, position uint64, place uint32, s salt) []byte {
	binary.LittleEndian.PutUint32(b, magic)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)+4))
	binary.LittleEndian.PutUint64(b[8:], position)
	binary.LittleEndian.PutUint32(b[16:], place)
	head := s.sum(b[:20])
	binary.LittleEndian.PutUint32(b[20:], head)
	return binary.LittleEndian.AppendUint32(b, salt(head).sum(b[20:])) // which is s.sum(b)
}

// appendSeal appends a seal: next is the position after the last.
func appendSeal(b []byte, next uint64, s salt) []byte {
	var header [headerLen]byte
	return append(b, finishFrame(header[:], sealMagic, next, 0, s)...)
}

// parseHeader gives the length of the record that begins b, which holds headerLen
// bytes at least. It is 0 where none does.
func parseHeader(b []byte, s salt) (length int64) {
	magic := binary.LittleEndian.Uint32(b)
	n := binary.LittleEndian.Uint32(b[4:])
	if magic != recordMagic && magic != sealMagic || n < frameLen || n > maxRecord ||
		binary.LittleEndian.Uint32(b[20:]) != s.sum(b[:20]) {
		return 0
	}
	return int64(n)
}

// parseFrame reads the record that b is, whose header was found to be valid. It
// tells whether the rest is, too.
func parseFrame(b []byte, s salt) (f frame, ok bool) {
	body := len(b) - 4
	if binary.LittleEndian.Uint32(b[body:]) != s.sum(b[:body]) {
		return f, false
	}
	f.position = binary.LittleEndian.Uint64(b[8:])
	place := uint64(binary.LittleEndian.Uint32(b[16:]))
	if place > f.position {
		return f, false
	}
	f.batch = f.position - place
	f.seal = binary.LittleEndian.Uint32(b) == sealMagic
	f.payload, f.raw = b[headerLen:body], b
	if f.seal {
		return f, len(f.payload) == 0
	}
	p := f.payload
	return f, len(p) >= 4 && int(p[2]) > 0 && len(p) >= 3+int(p[2]) && p[0] <= byte(engine.Resume)
}

// A handle says which producer a record's outcome is for: a place in the table of
// producers, and which of its tenants. It means nothing in a later run.
type handle struct{ slot, tenant uint32 }

// Flags of a message.
const (
	noData   = 1 << iota // its Data is nil
	replayed             // it was a dead letter
)

// payloadLen bounds the length of a message's payload from above.
func payloadLen(m *engine.Message) int64 {
	const numbers = 3 + 10*binary.MaxVarintLen64
	return int64(numbers+len(m.ID)+len(m.Client)+len(m.Op)+len(m.Remote)+len(m.Sender)) + int64(len(m.Data))
}

// appendRecord appends m as a record. batch is the position of the first record of
// its batch.
func appendRecord(b []byte, m *engine.Message, h handle, batch uint64, s salt) []byte {
	begin := len(b)
	b = double(b, frameLen+int(payloadLen(m)))[:begin+headerLen]
	flags := byte(0)
	if m.Data == nil {
		flags = noData
	}
	if m.Replayed {
		flags |= replayed
	}
	b = append(b, byte(m.Kind), flags, byte(len(m.ID)))
	b = append(b, m.ID...)
	b = binary.AppendUvarint(b, uint64(h.slot))
	b = binary.AppendUvarint(b, uint64(h.tenant))
	b = binary.AppendVarint(b, m.Tag)
	b = binary.AppendVarint(b, m.Seq)
	b = binary.AppendVarint(b, m.Code)
	b = appendTime(b, m.Time)
	b = appendTime(b, m.Received)
	b = appendText(b, m.Client)
	b = appendText(b, m.Op)
	b = appendText(b, m.Remote)
	b = appendText(b, m.Sender)
	b = append(b, m.Data...)
	return append(b[:begin], finishFrame(b[begin:], recordMagic, m.Pos, uint32(m.Pos-batch), s)...)
}

func appendTime(b []byte, t time.Time) []byte {
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

func appendText(b []byte, text string) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

var errPayload = errors.New("a record with valid checksums holds no message")

// A decoder makes messages of records. It remembers strings that it has seen: many
// messages share a few clients, ops, addresses and senders.
type decoder struct {
	b     []byte
	bad   bool
	last  [256][4]string // by producer: those that send at once have a place each
	texts map[string]string
}

// decode reads the message of f. All but its ID, which is left to the caller, and
// its Data, which is in f, is the message's own.
func (d *decoder) decode(f *frame, m *engine.Message) (h handle, err error) {
	d.b, d.bad = f.payload[3+int(f.payload[2]):], false
	h.slot, h.tenant = uint32(d.uvarint()), uint32(d.uvarint())
	*m = engine.Message{Kind: f.kind(), Pos: f.position, Replayed: f.payload[1]&replayed != 0}
	m.Tag, m.Seq, m.Code = d.varint(), d.varint(), d.varint()
	m.Time, m.Received = d.time(), d.time()
	last := &d.last[h.slot%uint32(len(d.last))]
	m.Client, m.Op, m.Remote, m.Sender = d.text(&last[0]), d.text(&last[1]), d.text(&last[2]), d.text(&last[3])
	if f.payload[1]&noData == 0 {
		m.Data = d.b
	} else if len(d.b) > 0 {
		d.bad = true
	}
	if d.bad {
		return h, errPayload
	}
	return h, nil
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) time() time.Time {
	sec, nsec := d.varint(), d.uvarint()
	return time.Unix(sec, int64(nsec%uint64(time.Second))).UTC()
}

// text reads a string. Mostly it is the last one, and is not made then.
func (d *decoder) text(last *string) string {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return ""
	}
	b := d.b[:n]
	d.b = d.b[n:]
	if string(b) == *last {
		return *last
	}
	text, ok := d.texts[string(b)]
	if !ok {
		const most, longest = 4096, 256
		if len(d.texts) >= most || d.texts == nil {
			d.texts = make(map[string]string)
		}
		text = string(b)
		if n <= longest {
			d.texts[text] = text
		}
	}
	*last = text
	return text
}

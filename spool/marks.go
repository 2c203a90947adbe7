package spool

import (
	"encoding/binary"
	"iter"
)

// settled.log tells which positions are settled. It begins with two copies of
//
//	magic 8 | version 4 | identity 16 | floor 8 | next 8 | CRC of these 4
//
// Every position below floor is settled, and next is at most the one that the log
// goes on with. Then come blocks:
//
//	length of the payload 4 | CRC of that and the payload 4 | payload
//
// A payload is spans: for each, how far it begins behind the end of the one before
// it, and how long it is. The CRC of a block begins with that of the block before
// it. So what is valid of the file is a prefix of what was written.
const (
	marksName    = "settled.log"
	marksTmpName = "settled.log.tmp"
	marksMagic   = "ingmarks"
	marksHeadLen = 2 * (8 + 4 + 16 + 8 + 8 + 4)
	blockHeadLen = 8
	maxBlock     = 1 << 20
)

func marksHeader(id identity, floor, next uint64) []byte {
	b := appendHeader(nil, marksMagic, id, floor, next)
	return append(b, b...)
}

// appendBlocks appends merged spans as blocks, and gives the last CRC.
func appendBlocks(b []byte, spans iter.Seq[span], last salt) ([]byte, salt) {
	begin, end := len(b), uint64(0)
	for s := range spans {
		if len(b) == begin {
			b, end = append(b, make([]byte, blockHeadLen)...), 0
		}
		b = binary.AppendUvarint(b, s.from-end)
		b = binary.AppendUvarint(b, s.to-s.from)
		end = s.to
		if len(b)-begin > maxBlock-2*binary.MaxVarintLen64 {
			last = finishBlock(b[begin:], last)
			begin = len(b)
		}
	}
	if len(b) > begin {
		last = finishBlock(b[begin:], last)
	}
	return b, last
}

func finishBlock(b []byte, last salt) salt {
	binary.LittleEndian.PutUint32(b, uint32(len(b)-blockHeadLen))
	last = salt(salt(last.sum(b[:4])).sum(b[blockHeadLen:]))
	binary.LittleEndian.PutUint32(b[4:], uint32(last))
	return last
}

// Marks are what settled.log tells.
type marks struct {
	id          identity
	floor, next uint64
	spans       []span // merged
	cut         int64  // bytes at its end that are not valid
}

// parseMarks reads a settled.log. ok is false where its header is none; the error is
// a VersionError.
func parseMarks(b []byte) (m marks, ok bool, err error) {
	var numbers [2]uint64
	if m.id, ok, err = parseFileHeader(b[:min(len(b), marksHeadLen)], marksMagic, numbers[:]); !ok {
		return m, false, err
	}
	m.floor, m.next = numbers[0], numbers[1]
	last := m.id.salt()
	for b = b[min(len(b), marksHeadLen):]; len(b) > 0; {
		var spans []span
		n := 0
		if n, last, spans = parseBlock(b, last); n == 0 {
			break
		}
		m.spans = append(m.spans, spans...)
		b = b[n:]
	}
	m.cut = int64(len(b))
	m.spans = merge(m.spans)
	m.next = max(m.next, m.floor)
	if n := len(m.spans); n > 0 {
		m.next = max(m.next, m.spans[n-1].to)
	}
	return m, true, nil
}

// parseBlock reads the block that begins b, and gives its length; 0 for none.
func parseBlock(b []byte, last salt) (n int, sum salt, spans []span) {
	if len(b) < blockHeadLen {
		return 0, last, nil
	}
	size := uint64(binary.LittleEndian.Uint32(b))
	if size == 0 || size > maxBlock || size > uint64(len(b)-blockHeadLen) {
		return 0, last, nil
	}
	payload := b[blockHeadLen : blockHeadLen+size]
	sum = salt(salt(last.sum(b[:4])).sum(payload))
	if binary.LittleEndian.Uint32(b[4:]) != uint32(sum) {
		return 0, last, nil
	}
	const most = 1 << 62
	end := uint64(0)
	for len(payload) > 0 {
		gap, i := binary.Uvarint(payload)
		if i <= 0 || gap > most {
			return 0, last, nil
		}
		length, k := binary.Uvarint(payload[i:])
		if k <= 0 || length > most || end+gap+length > most {
			return 0, last, nil
		}
		payload = payload[i+k:]
		spans = append(spans, span{end + gap, end + gap + length})
		end += gap + length
	}
	return blockHeadLen + int(size), sum, spans
}

package client

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// A record of the journal is: the four bytes of recordMark; the length of the rest
// and its CRC32C, four bytes each, little endian; then the kind, the number as a
// uvarint, the length of the id as a uvarint, the id, and the body.
type record struct {
	kind byte
	seq  int64
	id   string
	body []byte
}

// The kinds of records.
const (
	recordName    byte = 'N' // the client's name, and the last number that it gave itself
	recordMessage byte = 'M'
	recordOwn     byte = 'O' // a message with a number of the client's own
	recordAck     byte = 'A' // settled up to this number
	recordRefused byte = 'R' // settled: this number
)

var (
	recordMark = []byte{0xF7, 'i', 'n', 0xC2} // never in UTF-8
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

const recordHeader = 12

func appendRecord(b []byte, r record) []byte {
	b = append(b, recordMark...)
	at := len(b)
	b = append(b, make([]byte, recordHeader-len(recordMark))...)
	b = append(b, r.kind)
	b = binary.AppendUvarint(b, uint64(r.seq))
	b = binary.AppendUvarint(b, uint64(len(r.id)))
	b = append(b, r.id...)
	b = append(b, r.body...)
	rest := b[at+8:]
	binary.LittleEndian.PutUint32(b[at:], uint32(len(rest)))
	binary.LittleEndian.PutUint32(b[at+4:], crc32.Checksum(rest, castagnoli))
	return b
}

// parseRecord reads the record at the beginning of b. Where there is no good one,
// rest begins with the next mark, or is nil where there is none.
func parseRecord(b []byte) (r record, rest []byte, ok bool) {
	if r, n := readRecord(b); n > 0 {
		return r, b[n:], true
	}
	for from := 1; from < len(b); {
		i := bytes.Index(b[from:], recordMark)
		if i < 0 {
			break
		}
		from += i
		if _, n := readRecord(b[from:]); n > 0 {
			return record{}, b[from:], false
		}
		from++
	}
	return record{}, nil, false
}

// readRecord gives a good record and its length; 0 where it is not good.
func readRecord(b []byte) (r record, n int) {
	if len(b) < recordHeader || !bytes.HasPrefix(b, recordMark) {
		return r, 0
	}
	size := uint64(binary.LittleEndian.Uint32(b[4:]))
	if size > uint64(len(b)-recordHeader) {
		return r, 0
	}
	p := b[recordHeader : recordHeader+size]
	if crc32.Checksum(p, castagnoli) != binary.LittleEndian.Uint32(b[8:]) || len(p) == 0 {
		return r, 0
	}
	r.kind, p = p[0], p[1:]
	seq, k := binary.Uvarint(p)
	if k <= 0 {
		return r, 0
	}
	p = p[k:]
	length, k := binary.Uvarint(p)
	if k <= 0 || length > uint64(len(p)-k) {
		return r, 0
	}
	p = p[k:]
	r.seq, r.id, r.body = int64(seq), string(p[:length]), p[length:]
	return r, recordHeader + int(size)
}

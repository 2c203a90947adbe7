package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ingestd/ingestd/engine"
)

// The header of a segment is written twice, so that damage to one does no harm:
//
//	magic 8 | version 4 | identity 16 | first position 8 | CRC of these 4
//
// Its CRC is not salted: the salt is made of the identity.
const (
	segmentMagic   = "ingspool"
	version        = 1
	headerCopyLen  = 40
	segmentHeadLen = 2 * headerCopyLen
	segmentSuffix  = ".seg"
)

// An identity tells the files of one spool from those of others, and salts its
// checksums.
type identity [16]byte

func (id identity) salt() salt { return salt(salt(0).sum(id[:])) }

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentSuffix) }

// parseSegmentName gives the first position of the segment of that name.
func parseSegmentName(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' || first > (1<<63)/10 {
			return 0, false
		}
		first = first*10 + uint64(c-'0')
	}
	return first, first > 0
}

// appendHeader appends the header of a file of ours.
func appendHeader(b []byte, magic string, id identity, numbers ...uint64) []byte {
	begin := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = append(b, id[:]...)
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return binary.LittleEndian.AppendUint32(b, salt(0).sum(b[begin:]))
}

// parseFileHeader reads a header that appendHeader wrote, twice. The error is for
// one of a version that is not ours; ok is false where there is none.
func parseFileHeader(b []byte, magic string, numbers []uint64) (id identity, ok bool, err error) {
	size := len(magic) + 4 + len(id) + 8*len(numbers) + 4
	for copies := b; len(copies) >= size; copies = copies[size:] {
		c := copies[:size]
		if !bytes.HasPrefix(c, []byte(magic)) || binary.LittleEndian.Uint32(c[size-4:]) != salt(0).sum(c[:size-4]) {
			continue
		}
		if v := binary.LittleEndian.Uint32(c[len(magic):]); v != version {
			return id, false, &VersionError{Version: v}
		}
		copy(id[:], c[len(magic)+4:])
		for i := range numbers {
			numbers[i] = binary.LittleEndian.Uint64(c[len(magic)+4+len(id)+8*i:])
		}
		return id, true, nil
	}
	// Another version may have another header; where magic and version are stays.
	if len(b) >= len(magic)+4 && bytes.HasPrefix(b, []byte(magic)) {
		if v := binary.LittleEndian.Uint32(b[len(magic):]); v > version && v < 1<<16 {
			return id, false, &VersionError{Version: v}
		}
	}
	return id, false, nil
}

// VersionError says that a file is of a version that this program cannot read.
type VersionError struct {
	File    string
	Version uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d, and this program knows version %d only: "+
		"run the version of the program that wrote it until the spool is empty, or move the directory away",
		e.File, e.Version, version)
}

// segmentHeader makes the header of a segment.
func segmentHeader(id identity, first uint64) []byte {
	b := appendHeader(nil, segmentMagic, id, first)
	return append(b, b...)
}

// parseSegmentHeader reads it.
func parseSegmentHeader(b []byte) (id identity, first uint64, ok bool, err error) {
	var numbers [1]uint64
	id, ok, err = parseFileHeader(b[:min(len(b), segmentHeadLen)], segmentMagic, numbers[:])
	return id, numbers[0], ok, err
}

// A segment is a file of the log, as far as it can be read. The journal's lock
// guards it.
type segment struct {
	first uint64 // its first position
	next  uint64 // the one after the last
	end   int64  // of what can be read
	size  int64  // on disk

	sealed  bool // nothing is written to it any more
	mem     []byte
	records int    // that can be read
	settled int    // of these
	which   set    // that are
	unsaved set    // of these, those that are not in settled.log
	bad     []span // positions that cannot be read
}

// isSettled tells whether the record at a position is settled.
func (s *segment) isSettled(position uint64) bool { return s.which.has(position) }

// settle notes that the record at a position is settled. It tells whether that is
// new.
func (s *segment) settle(position uint64) bool {
	if !s.which.add(position) {
		return false
	}
	s.settled++
	return true
}

// unsettled gives the first position that can be read and is not settled, or next.
func (s *segment) unsettled() uint64 {
	p := s.which.without(s.first)
	for _, b := range s.bad {
		if b.from <= p && p < b.to {
			p = s.which.without(b.to)
		}
	}
	return min(p, s.next)
}

// reportsLeft counts the reports that are not settled in a segment in memory.
func (s *segment) reportsLeft() (n int) {
	position := s.first
	for at := 0; at < len(s.mem); at += int(firstRecord(s.mem[at:])) {
		if engine.Kind(s.mem[at+headerLen]) == engine.Report && !s.isSettled(position) {
			n++
		}
		position++
	}
	return n
}

// done tells whether nothing of s is needed any more.
func (s *segment) done() bool { return s.sealed && s.settled >= s.records }

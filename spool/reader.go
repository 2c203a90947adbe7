package spool

import (
	"bytes"
	"encoding/binary"
	"io"
)

// chunk is how much of a segment is read at once, unless a record is longer.
const chunk = 256 << 10

// A reader finds the records of a segment, one after the other. What is no record
// it skips.
type reader struct {
	src  io.ReaderAt
	salt salt
	off  int64 // where the next record is looked for
	end  int64 // nothing is read from here on

	buf   []byte // of the segment, from bufAt on
	bufAt int64
}

// reset makes r read src from off to end.
func (r *reader) reset(src io.ReaderAt, off, end int64) {
	r.src, r.off, r.end = src, off, end
	r.buf, r.bufAt = r.buf[:0], off
	if cap(r.buf) > 4*chunk {
		r.buf = nil // there was a long record
	}
}

// window gives n bytes from r.off on, or nil where there are less. They are valid
// until the next call.
func (r *reader) window(n int64) ([]byte, error) {
	if r.off+n > r.end {
		return nil, nil
	}
	from := r.off - r.bufAt
	if from >= 0 && from+n <= int64(len(r.buf)) {
		return r.buf[from : from+n], nil
	}
	size := min(max(n, chunk), r.end-r.off)
	if int64(cap(r.buf)) < size {
		r.buf = make([]byte, size)
	}
	r.buf, r.bufAt = r.buf[:size], r.off
	got, err := r.src.ReadAt(r.buf, r.off)
	r.buf = r.buf[:got]
	if int64(got) >= n {
		return r.buf[:n], nil
	}
	if err == io.EOF {
		r.end, err = r.off+int64(got), nil // the file is shorter than was thought
	}
	return nil, err
}

// next gives the next record, and how many bytes before it hold none. At the end it
// gives ok = false; then off is the end.
func (r *reader) next() (f frame, skipped int64, ok bool, err error) {
	begin := r.off
	for {
		b, err := r.window(headerLen)
		if err != nil {
			return f, 0, false, err
		}
		if b == nil {
			skipped = r.end - begin
			r.off = r.end
			return f, skipped, false, nil
		}
		length := parseHeader(b, r.salt)
		if length > 0 {
			if b, err = r.window(length); err != nil {
				return f, 0, false, err
			}
			if b != nil {
				if f, ok = parseFrame(b, r.salt); ok {
					f.off = r.off
					skipped = r.off - begin
					r.off += length
					return f, skipped, true, nil
				}
				r.off += length // its header is right: so is its length
				continue
			}
		}
		if err := r.resync(); err != nil {
			return f, 0, false, err
		}
	}
}

var magics = [2][]byte{
	binary.LittleEndian.AppendUint32(nil, recordMagic),
	binary.LittleEndian.AppendUint32(nil, sealMagic),
}

// resync goes on to the next place where a record may begin.
func (r *reader) resync() error {
	for r.off++; ; {
		n := min(r.end-r.off, chunk)
		if n < headerLen {
			r.off = r.end
			return nil
		}
		b, err := r.window(n)
		if err != nil {
			return err
		}
		if b == nil { // the file is shorter
			continue
		}
		at := -1
		for _, magic := range magics {
			if i := bytes.Index(b, magic); i >= 0 && (at < 0 || i < at) {
				at = i
			}
		}
		if at >= 0 {
			r.off += int64(at)
			return nil
		}
		r.off += n - 3 // a magic may begin in the last three bytes
	}
}

package transport

import "bytes"

// place is where in a body a message is. It is what the router carries of it.
type place struct {
	index   int
	line    int
	numeric bool // the id was written as a number
}

// A body has at most 1 GiB, so its index needs 30 bits, and its line 31.
const (
	lineBits = 31
	flushTag = -1 // of a flush that nobody asked for by name
)

func (at place) tag() int64 {
	tag := int64(at.index)<<lineBits | int64(at.line)
	tag <<= 1
	if at.numeric {
		tag |= 1
	}
	return tag
}

func placeOf(tag int64) place {
	numeric := tag&1 == 1
	tag >>= 1
	return place{index: int(tag >> lineBits), line: int(tag & (1<<lineBits - 1)), numeric: numeric}
}

// place tells where in the body m is.
func (p *post) place(m *incoming, d *decoder) place {
	at := min(d.errAt, len(p.body))
	if m.frame != nil {
		at = cap(p.body) - cap(m.frame)
	}
	if at > p.at {
		p.line += bytes.Count(p.body[p.at:at], []byte{'\n'})
		p.at = at
	}
	return place{index: d.index, line: p.line, numeric: m.id.numeric}
}

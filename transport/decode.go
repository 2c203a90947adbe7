package transport

import (
	"bytes"
	"hash/maphash"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/ingestd/ingestd/engine"
)

// opKind is what a transport does with a message.
type opKind uint8

const (
	kindReport opKind = iota
	kindDone
	kindFlush
	kindResume
	kindRestore
	kindHandler
)

// operation is an op that is known: its name, so that messages need none of
// their own, and what it means.
type operation struct {
	name    string
	kind    opKind
	handler Handler
}

// engineKind is what the engine does with a message of this op, where that is
// routed as it is.
func (o *operation) engineKind() engine.Kind {
	switch o.kind {
	case kindDone:
		return engine.Done
	case kindFlush:
		return engine.Flush
	case kindResume:
		return engine.Resume
	}
	return engine.Report
}

// operations makes the table of the ops of a transport.
func operations(stored []string, handlers map[string]Handler) map[string]*operation {
	ops := map[string]*operation{
		opReport: {name: opReport, kind: kindReport},
		opDone:   {name: opDone, kind: kindDone},
		opFlush:  {name: opFlush, kind: kindFlush},
		opResume: {name: opResume, kind: kindResume},
	}
	for _, name := range stored {
		ops[name] = &operation{name: name, kind: kindReport}
	}
	for name, h := range handlers {
		ops[name] = &operation{name: name, kind: kindHandler, handler: h}
	}
	return ops
}

// incoming is one message of a frame, or what is wrong with it. Its strings and
// slices are views into the frame, or into the decoder's own memory, until the
// decoder's next call.
type incoming struct {
	op    *operation // nil with a fault
	id    wireID     // empty where there is none, or it could not be read
	seq   int64      // 0 where there is none
	code  int64
	time  time.Time // zero where there is none
	data  []byte    // JSON; null where there is none
	frame []byte    // the whole message

	fault string // the code of the error to answer with, or empty
	text  string // and its text
}

// decoder reads the messages of one frame after the other.
//
//	d.reset(frame)
//	for d.next(&m) { … }
//
// It allocates nothing for a message without fault, once its scratch has grown.
// It is not safe for concurrent use.
type decoder struct {
	scanner
	ops     map[string]*operation
	report  *operation
	utf8    bool // the whole frame is valid
	pos     int  // where the next value is looked for
	inArray bool // pos is at an element of an array
	any     bool // the frame held something
	index   int  // of the message that next gave
	scratch []byte
	keys    keySet

	mapping *mapping // nil: messages are of our own form
	found   [fieldCount]found
	opName  string
}

var nullData = []byte("null")

func newDecoder(ops map[string]*operation) *decoder {
	return &decoder{ops: ops, report: ops[opReport], keys: keySet{seed: maphash.MakeSeed()}}
}

// reset begins a frame. valid says that it is UTF-8 altogether; otherwise each
// message is looked at for itself.
func (d *decoder) reset(frame []byte, valid bool) {
	d.b, d.utf8 = frame, valid
	d.pos, d.index, d.inArray, d.any = 0, -1, false, false
	if len(d.stack) > keepTable {
		d.stack = nil
	}
	if cap(d.scratch) > 1<<16 {
		d.scratch = nil
	}
}

// release lets go of the frame.
func (d *decoder) release() { d.b = nil }

// next gives the next message, and false behind the last.
func (d *decoder) next(m *incoming) bool {
	for {
		i := d.pos
		if !d.inArray {
			i = d.space(i)
		}
		if i >= len(d.b) {
			if d.any {
				return false
			}
			d.any = true
			d.index++
			*m = incoming{fault: codeBadJSON, text: "the frame is empty"}
			return true
		}
		d.any = true
		if d.inArray || d.b[i] != '[' {
			d.element(m, i)
			return true
		}
		// None of an array is taken unless all of it is JSON.
		if d.value(i) < 0 {
			d.broken(m)
			return true
		}
		if i = d.space(i + 1); d.b[i] == ']' {
			d.pos = i + 1
			continue
		}
		d.pos, d.inArray = i, true
	}
}

// element reads the value at i, be it one of an array or not.
func (d *decoder) element(m *incoming, i int) {
	*m = incoming{}
	end := 0
	if d.b[i] == '{' && d.mapping != nil {
		end = d.mapped(m, i)
	} else if d.b[i] == '{' {
		end = d.envelope(m, i)
	} else if end = d.value(i); end >= 0 {
		m.fail("a message must be a JSON object")
	}
	if end < 0 {
		d.broken(m)
		return
	}
	d.index++
	m.frame = d.b[i:end]
	d.pos = end
	if !d.utf8 && !utf8.Valid(m.frame) {
		m.invalidUTF8()
	}
	if d.inArray {
		i = d.space(end)
		d.inArray = d.b[i] == ','
		if d.pos = i + 1; d.inArray {
			d.pos = d.space(d.pos)
		}
	}
}

// broken reports the syntax error that the scanner has met, and goes on behind
// the end of its line.
func (d *decoder) broken(m *incoming) {
	d.index++
	*m = incoming{fault: codeBadJSON, text: d.syntaxError()}
	at := min(d.errAt, len(d.b))
	if n := bytes.IndexByte(d.b[at:], '\n'); n >= 0 {
		d.pos = at + n + 1
	} else {
		d.pos = len(d.b)
	}
}

// place is the index of the message that next gave, for its error answer: -1
// where the frame holds no other.
func (d *decoder) place() int {
	if d.index == 0 && !d.inArray && d.space(d.pos) >= len(d.b) {
		return -1
	}
	return d.index
}

// fail notes a fault of a message that is JSON; the first one counts.
func (m *incoming) fail(text string) {
	if m.fault == "" {
		m.fault, m.text = codeBadMessage, text
	}
}

func (m *incoming) invalidUTF8() {
	m.fault, m.text = codeBadMessage, "the message is not valid UTF-8"
	m.op = nil
	if !utf8.ValidString(m.id.id) {
		m.id = wireID{}
	}
}

// view is b as a string, without a copy: it changes when b does.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

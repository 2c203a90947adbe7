package transport

import (
	"fmt"
	"strconv"

	"github.com/ingestd/ingestd/engine"
)

// The keys of a message, as bits.
const (
	keyOp = 1 << iota
	keyID
	keySeq
	keyTime
	keyCode
	keyData
)

const (
	wrongID   = "id must be an integer in plain digits or a non-empty string"
	longID    = "id must have at most 255 bytes"
	missingID = "id is missing, and data has none"
	wrongSeq  = "seq must be an integer from 1 to 4611686018427387903, in plain digits"
	wrongCode = "code must be an integer of 64 bits, in plain digits"
	wrongTime = "time must be a string or a number"
)

// envelope reads the object at i into m. It returns the index behind it, or -1
// after a syntax error; anything else that is wrong is noted in m. A null is as
// good as a missing field.
func (d *decoder) envelope(m *incoming, i int) int {
	var seen uint
	var opName string
	hasID, dataAt := false, -1
	d.keys.reset()
	d.scratch = d.scratch[:0]
	d.deep = false
	m.op, m.data = d.report, nullData

	if i = d.space(i + 1); i < len(d.b) && d.b[i] == '}' {
		i++
	} else {
		for {
			if i >= len(d.b) || d.b[i] != '"' {
				return d.key(i)
			}
			end := d.str(i)
			if end < 0 {
				return -1
			}
			key, escaped := d.b[i+1:end-1], d.escaped
			if i = d.colon(end); i < 0 {
				return -1
			}
			bit := d.known(m, key, escaped)
			if bit&seen != 0 {
				m.fail("a key comes twice: " + keyName(bit))
			}
			seen |= bit
			from := i
			if i = d.value(i); i < 0 {
				return -1
			}
			raw, esc := d.b[from:i], d.escaped
			if bit == keyData {
				m.data, dataAt = raw, from
			} else if bit != 0 && raw[0] != 'n' {
				hasID = hasID || bit == keyID
				d.field(m, bit, raw, esc, &opName)
			}
			if i = d.space(i); i < len(d.b) && d.b[i] == ',' {
				i = d.space(i + 1)
				continue
			}
			if i < len(d.b) && d.b[i] == '}' {
				i++
				break
			}
			return d.fail(i, "a comma or } is expected in an object")
		}
	}
	if d.deep {
		m.fail("the message is nested deeper than 10000 levels")
	}
	if m.op == nil && m.fault == "" {
		m.fault = codeUnknownOp
		m.text = fmt.Sprintf("the op %.64q is not known", opName)
	}
	if !hasID {
		d.fallback(m, dataAt)
	}
	if m.fault != "" {
		m.op = nil
	}
	return i
}

// known tells which key it is; an unknown one is 0, and noted.
func (d *decoder) known(m *incoming, key []byte, escaped bool) uint {
	if escaped {
		at := len(d.scratch)
		d.scratch, _ = unescape(d.scratch, key)
		key = d.scratch[at:]
	}
	switch string(key) {
	case "op":
		return keyOp
	case "id":
		return keyID
	case "seq":
		return keySeq
	case "time":
		return keyTime
	case "code":
		return keyCode
	case "data":
		return keyData
	}
	if !d.keys.add(key) {
		m.fail(fmt.Sprintf("a key comes twice: %.64q", key))
	}
	return 0
}

// field reads the value raw of a known key other than data.
func (d *decoder) field(m *incoming, bit uint, raw []byte, escaped bool, opName *string) {
	isString := raw[0] == '"'
	isNumber := isDigit(raw[0]) || raw[0] == '-'
	text, paired := raw, true
	if isString {
		text, paired = d.text(raw, escaped)
	}
	switch bit {
	case keyOp:
		switch {
		case !isString:
			m.fail("op must be a string")
		case !paired:
			m.fail("op has a lone surrogate")
		default:
			*opName = view(text)
			m.op = d.ops[*opName]
		}
	case keyID:
		var problem string
		if m.id, problem = readID(raw, text, paired); problem != "" {
			m.fail(problem)
		}
	case keySeq:
		n, ok := plainInt(raw)
		if !isNumber || !ok || n < 1 || n > maxSeq {
			m.fail(wrongSeq)
			return
		}
		m.seq = n
	case keyCode:
		n, ok := plainInt(raw)
		if !isNumber || !ok {
			m.fail(wrongCode)
			return
		}
		m.code = n
	case keyTime:
		if !isString && !isNumber {
			m.fail(wrongTime)
			return
		}
		var problem string
		if m.time, problem = parseMoment(text); problem != "" {
			m.fail(problem)
		}
	}
}

// text is what the string raw stands for.
func (d *decoder) text(raw []byte, escaped bool) (text []byte, paired bool) {
	if raw = raw[1 : len(raw)-1]; !escaped {
		return raw, true
	}
	at := len(d.scratch)
	d.scratch, paired = unescape(d.scratch, raw)
	return d.scratch[at:], paired
}

// readID takes raw, and what it stands for if it is a string, for an id.
func readID(raw, text []byte, paired bool) (id wireID, problem string) {
	switch {
	case raw[0] == '"' && len(text) == 0:
		return id, wrongID
	case raw[0] == '"' && !paired:
		return id, "id has a lone surrogate"
	case raw[0] != '"' && !allDigits(raw):
		return id, wrongID
	case len(text) > engine.MaxIDLen:
		return id, longID
	}
	return wireID{view(text), raw[0] != '"'}, ""
}

// fallback takes the id from data, which begins at dataAt, where the message has
// none of its own.
func (d *decoder) fallback(m *incoming, dataAt int) {
	problem := ""
	if dataAt >= 0 && d.b[dataAt] == '{' {
		problem = d.dataID(m, dataAt)
	}
	if m.fault != "" || m.op.kind == kindHandler {
		return
	}
	if problem != "" {
		m.fail("data." + problem)
	} else if m.id.id == "" && m.op.kind != kindFlush {
		m.fail(missingID)
	}
}

// dataID looks for an id among the keys of the object at i, which has been
// scanned.
func (d *decoder) dataID(m *incoming, i int) (problem string) {
	found := false
	for i = d.space(i + 1); d.b[i] != '}'; {
		end := d.str(i)
		key, _ := d.text(d.b[i:end], d.escaped)
		from := d.colon(end)
		i = d.value(from)
		if raw := d.b[from:i]; string(key) == "id" && raw[0] != 'n' {
			if found {
				m.id = wireID{}
				return "id comes twice"
			}
			found = true
			text, paired := raw, true
			if raw[0] == '"' {
				text, paired = d.text(raw, d.escaped)
			}
			m.id, problem = readID(raw, text, paired)
		}
		if i = d.space(i); d.b[i] == ',' {
			i = d.space(i + 1)
		}
	}
	return problem
}

// syntaxError is the text for the syntax error that the scanner has met.
func (d *decoder) syntaxError() string {
	if d.errAt == 0 && len(d.b) >= 3 && string(d.b[:3]) == "\uFEFF" {
		return "not JSON: a byte order mark is at the beginning; leave it out"
	}
	return fmt.Sprintf("not JSON: at byte %d: %s", d.errAt, d.errText)
}

func keyName(bit uint) string {
	switch bit {
	case keyOp:
		return `"op"`
	case keyID:
		return `"id"`
	case keySeq:
		return `"seq"`
	case keyTime:
		return `"time"`
	case keyCode:
		return `"code"`
	}
	return `"data"`
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return len(b) > 0
}

// plainInt reads a number without fraction and exponent that fits 64 bits.
func plainInt(b []byte) (int64, bool) {
	n, err := strconv.ParseInt(view(b), 10, 64)
	return n, err == nil
}

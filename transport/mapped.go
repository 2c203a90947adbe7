package transport

import (
	"encoding/binary"
	"fmt"
)

// with makes d read messages by a mapping, where it is not nil.
func (d *decoder) with(m *mapping) *decoder {
	d.mapping = m
	return d
}

// mapped reads the object at i into m, by the mapping. It returns the index behind
// it, or -1 after a syntax error; anything else that is wrong is noted in m. As in
// the envelope, a null is as good as nothing; but a key that comes twice is wrong
// only where it leads to a field.
func (d *decoder) mapped(m *incoming, i int) int {
	p := d.mapping
	d.scratch = d.scratch[:0]
	d.deep = false
	d.opName = ""
	for _, f := range p.several {
		d.found[f].rank = nowhere
	}
	m.op, m.id, m.code, m.data = p.op, p.id, p.code, p.data
	from := i
	if i = d.walkObject(m, &p.root, i); i < 0 {
		return -1
	}
	if len(p.root.fields) > 0 {
		d.take(m, p.root.fields, from, i)
	}
	if d.deep {
		m.fail("the message is nested deeper than 10000 levels")
	}
	for _, f := range p.several {
		if at := &d.found[f]; at.rank != nowhere {
			d.mappedField(m, leaf{field: f, rank: at.rank}, d.b[at.from:at.to], at.escaped)
		}
	}
	switch {
	case m.fault != "":
	case m.op == nil:
		m.fault = codeUnknownOp
		m.text = fmt.Sprintf("the op %.64q is not known", d.opName)
	case m.id.id == "" && m.op.kind != kindHandler && m.op.kind != kindFlush:
		m.fail(p.missingID)
	}
	if m.fault != "" {
		m.op = nil
	}
	return i
}

// take notes that the value from from to to is that of fields. Of a field with
// several paths it is not known yet which of them counts.
func (d *decoder) take(m *incoming, fields []leaf, from, to int) {
	for _, l := range fields {
		if l.only {
			d.mappedField(m, l, d.b[from:to], d.escaped)
		} else if at := &d.found[l.field]; l.rank < at.rank {
			*at = found{from, to, l.rank, d.escaped}
		}
	}
}

// mappedField reads the value raw of a field.
func (d *decoder) mappedField(m *incoming, l leaf, raw []byte, escaped bool) {
	if l.field == fieldData {
		m.data = raw
		return
	}
	good := m.fault == ""
	d.field(m, fieldBits[l.field], raw, escaped, &d.opName)
	if good && m.fault != "" {
		m.text = d.mapping.paths[l.field][l.rank] + ": " + m.text
	}
}

// walk skips the value at i, and takes what is looked for in it.
func (d *decoder) walk(m *incoming, t *twig, i int) int {
	from := i
	switch {
	case len(t.keys) == 0 || i >= len(d.b):
		i = d.value(i)
	case d.b[i] == '{':
		i = d.walkObject(m, &t.branch, i)
	case d.b[i] == '[' && t.indexed:
		i = d.walkArray(m, &t.branch, i)
	default:
		i = d.value(i)
	}
	if i >= 0 && d.b[from] != 'n' {
		d.take(m, t.fields, from, i)
	}
	return i
}

// short gives the twig whose key begins with the quote at i, and the index behind
// its other quote, if that is one of the short keys as it is usually written; else -1.
func (d *decoder) short(b *branch, i int) (t, end int) {
	if i+9 > len(d.b) {
		return -1, 0
	}
	w := binary.LittleEndian.Uint64(d.b[i+1:])
	for t, s := range b.shorts {
		if w&s.mask == s.word {
			return t, i + 1 + s.size
		}
	}
	return -1, 0
}

func (d *decoder) walkObject(m *incoming, b *branch, i int) int {
	if i = d.space(i + 1); i < len(d.b) && d.b[i] == '}' {
		return i + 1
	}
	for seen := uint64(0); ; {
		if i >= len(d.b) || d.b[i] != '"' {
			return d.key(i)
		}
		t, end := d.short(b, i)
		if t < 0 {
			if end = d.str(i); end < 0 {
				return -1
			}
			key, _ := d.text(d.b[i:end], d.escaped)
			t = b.find(key)
		}
		if i = d.colon(end); i < 0 {
			return -1
		}
		if t < 0 {
			i = d.value(i)
		} else {
			if seen&(1<<t) != 0 {
				m.fail("a key comes twice: " + b.twigs[t].path)
			}
			seen |= 1 << t
			if t := &b.twigs[t]; len(t.keys) > 0 {
				i = d.walk(m, t, i)
			} else {
				from := i
				if i = d.value(i); i >= 0 && d.b[from] != 'n' {
					d.take(m, t.fields, from, i)
				}
			}
		}
		if i < 0 {
			return -1
		}
		if i = d.space(i); i < len(d.b) && d.b[i] == ',' {
			i = d.space(i + 1)
			continue
		}
		if i < len(d.b) && d.b[i] == '}' {
			return i + 1
		}
		return d.fail(i, "a comma or } is expected in an object")
	}
}

func (d *decoder) walkArray(m *incoming, b *branch, i int) int {
	if i = d.space(i + 1); i < len(d.b) && d.b[i] == ']' {
		return i + 1
	}
	for n := 0; ; n++ {
		if t := b.findIndex(n); t < 0 {
			i = d.value(i)
		} else {
			i = d.walk(m, &b.twigs[t], i)
		}
		if i < 0 {
			return -1
		}
		if i = d.space(i); i < len(d.b) && d.b[i] == ',' {
			i = d.space(i + 1)
			continue
		}
		if i < len(d.b) && d.b[i] == ']' {
			return i + 1
		}
		return d.fail(i, "a comma or ] is expected in an array")
	}
}

package transport

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ingestd/ingestd/engine"
)

// DecodeConfig says where the fields of a message are, in messages that are not of
// the form of our own. What it does not name is not read: such a message is a
// report, without number, time and code, and its data is all of it.
type DecodeConfig struct {
	ID   Paths `hcl:"id,optional"` // must be given
	Op   Paths `hcl:"op,optional"`
	Seq  Paths `hcl:"seq,optional"`
	Time Paths `hcl:"time,optional"`
	Code Paths `hcl:"code,optional"`
	Data Paths `hcl:"data,optional"`
}

// Paths are where a field may be: the first of them at which a message has
// something other than null counts. What is there must be what the field of our
// own form would be.
//
// A path is the keys that lead to a value, from the outside, with dots between
// them: "data.device.serial". A \ before a dot or a \ makes it a part of the key. A
// number is a place in an array, from 0, or a key of an object: "items.0.id". "." is
// the whole message, for data.
//
// The last may be a constant instead: "=trade" is the text trade, "=0" the code 0.
// Seq and Time cannot be constants.
type Paths []string

// UnmarshalText takes one path.
func (p *Paths) UnmarshalText(text []byte) error {
	*p = Paths{string(text)}
	return nil
}

const (
	maxPaths = 8  // of a field
	maxKeys  = 16 // of a path
)

// wholeMessage is the path of all of it.
const wholeMessage = "."

// The fields, by number. Their bits
// are the keys of the envelope.
const (
	fieldID = iota
	fieldOp
	fieldSeq
	fieldTime
	fieldCode
	fieldData
	fieldCount
)

var fieldBits = [fieldCount]uint{keyID, keyOp, keySeq, keyTime, keyCode, keyData}

// mapping is a DecodeConfig as decoders use it, which share it: a tree of the keys
// that lead to fields, so that a message is walked once.
type mapping struct {
	root  branch
	paths [fieldCount][]string // of each field, without a constant

	several []uint8 // the fields with more than one path

	missingID string // the error of a message without

	// What a message has where its paths lead to nothing.
	op   *operation
	id   wireID
	code int64
	data []byte
}

// branch is what is looked for in one value of a message.
type branch struct {
	fields  []leaf   // those that this value may be
	keys    []string // what is looked for inside,
	twigs   []twig   // and what that is
	shorts  []short  // the keys that a look at eight bytes tells
	indexed bool     // some keys may be places in an array
}

// leaf says that a value is what the path number rank of a field leads to.
type leaf struct {
	field, rank uint8
	only        bool // the field has no other path
}

// short is a key of up to seven bytes, with the quote behind it, as it stands in a
// message where nothing of it is escaped. That of other keys is never found.
type short struct {
	word, mask uint64
	size       int
}

// twig is what is behind a key of an object, or at a place in an array.
type twig struct {
	index int    // -1: it is none of an array
	path  string // that leads to it
	branch
}

// found is where the value of a field is in a message.
type found struct {
	from, to int
	rank     uint8 // of its path
	escaped  bool
}

// nowhere is the rank of what was not found.
const nowhere = maxPaths

func (c *DecodeConfig) lists() [fieldCount]struct {
	name  string
	paths Paths
} {
	return [fieldCount]struct {
		name  string
		paths Paths
	}{{"id", c.ID}, {"op", c.Op}, {"seq", c.Seq}, {"time", c.Time}, {"code", c.Code}, {"data", c.Data}}
}

// validate reports every fault, for a transport with these ops. nil is good.
func (c *DecodeConfig) validate(check checker, ops map[string]*operation) {
	if c == nil {
		return
	}
	check(c.ID != nil, "decode.id", "is missing: it says where a message has its id, as in \"device.serial\"")
	for field, l := range c.lists() {
		option := "decode." + l.name
		check(l.paths == nil || len(l.paths) > 0, option, "names no path: leave it out, or name one")
		check(len(l.paths) <= maxPaths, option, "has %d paths, and can have %d", len(l.paths), maxPaths)
		for i, p := range l.paths {
			constant, isConstant := strings.CutPrefix(p, "=")
			last := i == len(l.paths)-1
			switch {
			case slices.Contains(l.paths[:i], p):
				check(false, option, "has %q twice", p)
			case isConstant:
				check(last, option, "has something behind the constant %q, which would never be used", p)
				if problem := wrongConstant(field, constant, ops); problem != "" {
					check(false, option, "%s, not %q", problem, p)
				}
			case p == wholeMessage:
				check(field == fieldData, option, "cannot be the whole message")
				check(field != fieldData || last, option, "has something behind \".\", which is always there")
			default:
				_, problem := splitPath(p)
				check(problem == "", option, "%s", problem)
			}
		}
	}
}

// wrongConstant tells why a field cannot have this constant; empty if it can.
func wrongConstant(field int, text string, ops map[string]*operation) string {
	switch field {
	case fieldID:
		if text == "" || len(text) > engine.MaxIDLen || !utf8.ValidString(text) {
			return fmt.Sprintf("a constant id must be 1 to %d bytes of UTF-8", engine.MaxIDLen)
		}
	case fieldOp:
		if ops[text] == nil {
			return "a constant op must be one that this transport knows"
		}
	case fieldCode:
		if _, ok := plainInt([]byte(text)); !ok {
			return "a constant code must be an integer of 64 bits"
		}
	case fieldData:
		s := scanner{b: []byte(text)}
		if text == "" || s.value(0) != len(text) || s.deep || !utf8.ValidString(text) {
			return "a constant data must be JSON"
		}
	default:
		return "the number and the time of a message cannot be constants"
	}
	return ""
}

// splitPath gives the keys of a path.
func splitPath(p string) (keys []string, problem string) {
	switch {
	case p == "":
		return nil, "a path must not be empty"
	case !utf8.ValidString(p):
		return nil, fmt.Sprintf("the path %q is not UTF-8", p)
	case p[0] == '.':
		return nil, fmt.Sprintf("the path %q begins with a dot: write %q", p, p[1:])
	}
	var key []byte
	for i := 0; i <= len(p); i++ {
		switch {
		case i == len(p) || p[i] == '.':
			if len(key) == 0 {
				return nil, fmt.Sprintf("the path %q has an empty key", p)
			}
			keys, key = append(keys, string(key)), key[:0]
		case p[i] != '\\':
			key = append(key, p[i])
		case i+1 < len(p) && (p[i+1] == '.' || p[i+1] == '\\'):
			i++
			key = append(key, p[i])
		default:
			return nil, fmt.Sprintf(`the path %q has a \ that is before neither a dot nor a \`, p)
		}
	}
	if len(keys) > maxKeys {
		return nil, fmt.Sprintf("the path %q has %d keys, and can have %d", p, len(keys), maxKeys)
	}
	return keys, ""
}

// compile makes the mapping of c, which is valid; nil of nil.
func (c *DecodeConfig) compile(ops map[string]*operation) *mapping {
	if c == nil {
		return nil
	}
	m := &mapping{op: ops[opReport], data: nullData}
	for field, l := range c.lists() {
		paths := l.paths
		if paths = slices.Clone(paths); field == fieldData && paths == nil {
			paths = Paths{wholeMessage}
		}
		for rank, p := range paths {
			if constant, ok := strings.CutPrefix(p, "="); ok {
				m.setConstant(field, constant, ops)
				break
			}
			m.paths[field] = paths[:rank+1]
		}
		for rank, p := range m.paths[field] {
			m.root.grow(p, leaf{uint8(field), uint8(rank), len(m.paths[field]) == 1})
		}
		if len(m.paths[field]) > 1 {
			m.several = append(m.several, uint8(field))
		}
	}
	m.missingID = "id is missing: there is none at " + strings.Join(m.paths[fieldID], ", nor at ")
	return m
}

func (m *mapping) setConstant(field int, text string, ops map[string]*operation) {
	switch field {
	case fieldID:
		m.id = wireID{id: text}
	case fieldOp:
		m.op = ops[text]
	case fieldCode:
		m.code, _ = plainInt([]byte(text))
	case fieldData:
		m.data = []byte(text)
	}
}

// grow adds a path to the tree.
func (b *branch) grow(path string, l leaf) {
	var keys []string
	if path != wholeMessage {
		keys, _ = splitPath(path)
	}
	at := ""
	for _, key := range keys {
		if at != "" {
			at += "."
		}
		at += escapePath(key)
		i := slices.Index(b.keys, key)
		if i < 0 {
			i = len(b.keys)
			t := twig{index: indexOf(key), path: at}
			b.keys, b.twigs, b.shorts = append(b.keys, key), append(b.twigs, t), append(b.shorts, shortOf(key))
			b.indexed = b.indexed || t.index >= 0
		}
		b = &b.twigs[i].branch
	}
	b.fields = append(b.fields, l)
}

var escapePath = strings.NewReplacer(`\`, `\\`, `.`, `\.`).Replace

// indexOf is the place in an array that a key stands for, -1 if it stands for none.
func indexOf(key string) int {
	n, err := strconv.Atoi(key)
	if err != nil || !allDigits([]byte(key)) || key[0] == '0' && key != "0" {
		return -1
	}
	return n
}

func shortOf(key string) short {
	if len(key) > 7 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
		return short{word: 1}
	}
	s := short{size: len(key) + 1}
	for i, c := range []byte(key + `"`) {
		s.word |= uint64(c) << (8 * i)
		s.mask |= 0xFF << (8 * i)
	}
	return s
}

// find gives the number of the twig for a key, -1 where nothing is looked for there.
func (b *branch) find(key []byte) int {
	for i, k := range b.keys {
		if k == string(key) {
			return i
		}
	}
	return -1
}

// findIndex is find for a place in an array.
func (b *branch) findIndex(index int) int {
	for i := range b.twigs {
		if b.twigs[i].index == index {
			return i
		}
	}
	return -1
}

package transport

import (
	"encoding/binary"
	"math/bits"
)

// maxDepth is how deep a message may nest. Deeper ones are scanned to their end
// all the same, and refused.
const maxDepth = 10_000

// scanner finds the ends of JSON values, strictly by RFC 8259. It does not look
// at whether strings are UTF-8. It uses no recursion and, once its stack has
// grown, no memory.
//
// Its methods take an index into b and return the one behind what they scanned,
// or -1 after a syntax error, which is then in errAt and errText.
type scanner struct {
	b       []byte
	escaped bool // the last string held an escape
	deep    bool // a value was nested deeper than maxDepth
	errAt   int
	errText string
	stack   []uint64 // a bit for each open bracket: 1 is an object
}

func (s *scanner) fail(i int, text string) int {
	s.errAt, s.errText = i, text
	return -1
}

// space skips white space. It never fails.
func (s *scanner) space(i int) int {
	for i < len(s.b) {
		switch s.b[i] {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

// value skips one value, which begins at i, without white space before it.
func (s *scanner) value(i int) int {
	for depth := 0; ; {
		if i >= len(s.b) {
			return s.fail(i, "it ends where a value is expected")
		}
		open := false
		switch c := s.b[i]; c {
		case '"':
			i = s.str(i)
		case '{':
			s.push(depth, true)
			depth++
			if i = s.space(i + 1); i < len(s.b) && s.b[i] == '}' {
				depth--
				i++
				break
			}
			i = s.key(i)
			open = true
		case '[':
			s.push(depth, false)
			depth++
			if i = s.space(i + 1); i < len(s.b) && s.b[i] == ']' {
				depth--
				i++
				break
			}
			open = true
		case 't':
			i = s.literal(i, "true")
		case 'f':
			i = s.literal(i, "false")
		case 'n':
			i = s.literal(i, "null")
		default:
			i = s.number(i)
		}
		if i < 0 {
			return -1
		}
		if open {
			continue
		}
		// A value has ended: what is around it goes on, or ends too.
		for {
			if depth == 0 {
				return i
			}
			i = s.space(i)
			object := s.object(depth - 1)
			if i < len(s.b) && s.b[i] == ',' {
				i = s.space(i + 1)
				if object {
					i = s.key(i)
				}
				break
			}
			if i < len(s.b) && (object && s.b[i] == '}' || !object && s.b[i] == ']') {
				depth--
				i++
				continue
			}
			if object {
				return s.fail(i, "a comma or } is expected in an object")
			}
			return s.fail(i, "a comma or ] is expected in an array")
		}
		if i < 0 {
			return -1
		}
	}
}

func (s *scanner) push(depth int, object bool) {
	if depth >= maxDepth {
		s.deep = true
	}
	if depth>>6 >= len(s.stack) {
		s.stack = append(s.stack, 0)
	}
	bit := uint64(1) << (depth & 63)
	if object {
		s.stack[depth>>6] |= bit
	} else {
		s.stack[depth>>6] &^= bit
	}
}

func (s *scanner) object(depth int) bool {
	return s.stack[depth>>6]&(1<<(depth&63)) != 0
}

// key skips a key, its colon, and the white space around that.
func (s *scanner) key(i int) int {
	if i >= len(s.b) || s.b[i] != '"' {
		return s.fail(i, "a key in double quotes is expected in an object")
	}
	if i = s.str(i); i < 0 {
		return -1
	}
	return s.colon(i)
}

func (s *scanner) colon(i int) int {
	if i = s.space(i); i >= len(s.b) || s.b[i] != ':' {
		return s.fail(i, "a colon is expected after a key")
	}
	return s.space(i + 1)
}

// str skips a string, which begins at the quote at i.
func (s *scanner) str(i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	s.escaped = false
	b := s.b
	for i++; ; {
		// Eight bytes at a time, up to the first quote, backslash or control byte.
		// A borrow can only flag bytes behind a true one, so the first is exact.
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			quote, slash := w^ones*'"', w^ones*'\\'
			m := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
			if m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			return s.fail(i, "it ends inside a string")
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			s.escaped = true
			if i = s.escape(i); i < 0 {
				return -1
			}
		case c < ' ':
			return s.fail(i, "a control character in a string must be escaped")
		default:
			i++
		}
	}
}

// escape skips the escape sequence that begins at the backslash at i.
func (s *scanner) escape(i int) int {
	b := s.b
	if i+1 >= len(b) {
		return s.fail(i+1, "it ends inside a string")
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for j := i + 2; j < i+6; j++ {
			if j >= len(b) {
				return s.fail(j, "it ends inside a string")
			}
			if unhex(b[j]) < 0 {
				return s.fail(j, `four hexadecimal digits are expected after \u`)
			}
		}
		return i + 6
	}
	return s.fail(i+1, "an unknown escape sequence in a string")
}

func (s *scanner) literal(i int, word string) int {
	if len(s.b)-i < len(word) || string(s.b[i:i+len(word)]) != word {
		return s.fail(i, "a value is expected")
	}
	return i + len(word)
}

func (s *scanner) number(i int) int {
	b, start := s.b, i
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
		if i < len(b) && isDigit(b[i]) {
			return s.fail(i, "a number must not begin with 0")
		}
	case i < len(b) && isDigit(b[i]):
		i = s.digits(i)
	case i == start:
		return s.fail(i, "a value is expected")
	default:
		return s.fail(i, "a digit is expected in a number")
	}
	if i < len(b) && b[i] == '.' {
		if i++; i >= len(b) || !isDigit(b[i]) {
			return s.fail(i, "a digit is expected in a number")
		}
		i = s.digits(i)
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if i >= len(b) || !isDigit(b[i]) {
			return s.fail(i, "a digit is expected in a number")
		}
		i = s.digits(i)
	}
	return i
}

func (s *scanner) digits(i int) int {
	for i < len(s.b) && isDigit(s.b[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// unhex is the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
	switch {
	case c-'0' <= 9:
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

package client

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// check finds what no server would take, and what would spoil a frame for the
// other messages in it.
func (m *Message) check() error {
	problem := ""
	switch {
	case m.ID == "" || len(m.ID) > MaxIDLen || !utf8.ValidString(m.ID):
		problem = fmt.Sprintf("ID must be 1 to %d bytes of UTF-8, not %q", MaxIDLen, m.ID)
	case m.Seq < 0 || m.Seq > MaxSeq:
		problem = fmt.Sprintf("Seq must be 1 to %d, not %d", MaxSeq, m.Seq)
	case m.Op == opFlush || m.Op == opResume:
		problem = fmt.Sprintf("Op %q stores nothing", m.Op)
	case !utf8.ValidString(m.Op):
		problem = fmt.Sprintf("Op must be UTF-8, not %q", m.Op)
	case len(m.Data) > 0 && (!json.Valid(m.Data) || !utf8.Valid(m.Data)):
		problem = "Data must be one JSON value in UTF-8"
	case len(m.RawTime) > 0 && (!json.Valid(m.RawTime) || !utf8.Valid(m.RawTime)):
		problem = "RawTime must be a JSON string or number"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s", ErrMessage, problem)
}

// appendOpen appends m without its number and its last brace, which appendSeq adds
// once the number is known.
func (m *Message) appendOpen(b []byte) []byte {
	op := m.Op
	if op == "" {
		op = opReport
	}
	b = append(b, `{"op":`...)
	b = appendString(b, op)
	b = append(b, `,"id":`...)
	b = appendString(b, m.ID)
	switch {
	case !m.Time.IsZero():
		b = append(b, `,"time":"`...)
		b = m.Time.UTC().AppendFormat(b, time.RFC3339Nano)
		b = append(b, '"')
	case len(m.RawTime) > 0:
		b = append(b, `,"time":`...)
		b = append(b, m.RawTime...)
	}
	if m.Code != 0 {
		b = append(b, `,"code":`...)
		b = strconv.AppendInt(b, m.Code, 10)
	}
	if len(m.Data) > 0 {
		b = append(b, `,"data":`...)
		b = append(b, m.Data...)
	}
	return b
}

func appendSeq(b []byte, seq int64) []byte {
	b = append(b, `,"seq":`...)
	b = strconv.AppendInt(b, seq, 10)
	return append(b, '}')
}

// appendFlush asks for the flush of an id; of everything, where it is empty.
func appendFlush(b []byte, id string) []byte {
	b = append(b, `{"op":"flush"`...)
	if id != "" {
		b = append(b, `,"id":`...)
		b = appendString(b, id)
	}
	return append(b, '}')
}

// appendString writes s, which is UTF-8, as a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			text, _ := json.Marshal(s) // a string never fails
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

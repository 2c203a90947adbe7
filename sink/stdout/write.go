package stdout

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// keepBuffer is the largest buffer that is kept from Write to Write.
const keepBuffer = 1 << 20

// flush writes the rest of a torn line, then the lines. After an error the lines
// are gone, and will come again with the next Write; but of a line that was torn
// the rest is kept, since what stands there already cannot be taken back.
func (o *output) flush() error {
	lines := o.lines
	if o.lines = lines[:0]; cap(lines) > keepBuffer {
		o.lines = nil
	}
	if len(o.rest) > 0 {
		n, err := write(o.w, o.rest)
		o.rest = o.rest[n:]
		if err != nil {
			return err
		}
	}
	n, err := write(o.w, lines)
	if n == 0 || n == len(lines) || lines[n-1] == '\n' {
		return err
	}
	end := n + bytes.IndexByte(lines[n:], '\n') + 1
	o.rest = bytes.Clone(lines[n:end])
	return err
}

// write makes of a short write an error.
func write(w io.Writer, b []byte) (int, error) {
	n, err := w.Write(b)
	if n < len(b) && err == nil {
		err = io.ErrShortWrite
	}
	return max(0, min(n, len(b))), err
}

func appendBatch(b []byte, batch *engine.Batch, now time.Time) []byte {
	for j := range batch.Messages {
		b = appendMessage(b, &batch.Messages[j], now)
	}
	if batch.End != "" {
		b = appendEnd(b, batch, now)
	}
	return b
}

func appendMessage(b []byte, m *engine.Message, now time.Time) []byte {
	received := sink.Received(m, now)
	b = appendString(append(b, `{"id":`...), m.ID)
	b = strconv.AppendInt(append(b, `,"seq":`...), m.Seq, 10)
	b = appendString(append(b, `,"client":`...), m.Client)
	b = appendString(append(b, `,"op":`...), m.Op)
	b = strconv.AppendInt(append(b, `,"code":`...), m.Code, 10)
	b = appendTime(append(b, `,"sent_at":`...), sink.Sent(m.Time, received))
	b = appendTime(append(b, `,"received_at":`...), received)
	b = appendString(append(b, `,"remote":`...), m.Remote)
	b = appendString(append(b, `,"sender":`...), m.Sender)
	b = appendData(append(b, `,"data":`...), m)
	return append(b, "}\n"...)
}

func appendEnd(b []byte, batch *engine.Batch, now time.Time) []byte {
	b = appendString(append(b, `{"id":`...), batch.ID)
	b = appendString(append(b, `,"status":"done","end_reason":`...), string(batch.End))
	b = appendTime(append(b, `,"ended_at":`...), sink.Ended(batch, now))
	if batch.Final != nil {
		b = strconv.AppendInt(append(b, `,"end_code":`...), batch.Final.Code, 10)
		b = appendData(append(b, `,"end_data":`...), batch.Final)
	}
	return append(b, "}\n"...)
}

func appendTime(b []byte, t time.Time) []byte {
	start := len(b) + 1
	b = sink.AppendTime(append(b, '"'), t)
	b[start+len("2006-01-02")] = 'T'
	return append(b, `Z"`...)
}

// appendData puts the data on one line.
func appendData(b []byte, m *engine.Message) []byte {
	data := sink.Data(m)
	if !json.Valid(m.Data) && len(m.Data) > 0 {
		return appendString(b, data)
	}
	if bytes.IndexByte(m.Data, '\n') < 0 && bytes.IndexByte(m.Data, '\r') < 0 {
		return append(b, data...)
	}
	line := bytes.NewBuffer(b)
	if err := json.Compact(line, m.Data); err != nil { // it is valid
		return appendString(b, data)
	}
	return line.Bytes()
}

// appendString appends s, which is UTF-8, as a JSON string.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(append(b, s[start:i]...), '\\')
		switch c {
		case '"', '\\':
			b = append(b, c)
		case '\n':
			b = append(b, 'n')
		case '\r':
			b = append(b, 'r')
		case '\t':
			b = append(b, 't')
		default:
			b = append(b, 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		start = i + 1
	}
	return append(append(b, s[start:]...), '"')
}

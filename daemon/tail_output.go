package daemon

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
)

// flushEvery is how long a message may stand in the buffer of a tail that is no
// terminal.
const flushEvery = 50 * time.Millisecond

// tailOutput writes messages: a line for people each, or a JSON object.
type tailOutput struct {
	*terminal
	json bool
	line []byte // the last one; its memory is used again

	mu      sync.Mutex
	buffer  *bufio.Writer
	flusher *time.Timer // nil: nothing waits in the buffer
}

func newTailOutput(t *terminal, asJSON bool) *tailOutput {
	return &tailOutput{terminal: t, json: asJSON || !t.is(), buffer: bufio.NewWriterSize(t.out, 64<<10)}
}

// message writes one.
func (o *tailOutput) message(m *api.Message) error {
	o.line = o.line[:0]
	if o.json {
		o.line = appendMessage(o.line, m)
		if o.is() {
			o.line = escapeJSON(nil, o.line)
		}
	} else {
		width, _ := o.size()
		o.line = append(o.line, messageLine(m).render(width, o.coloured)...)
	}
	o.line = append(o.line, '\n')

	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := o.buffer.Write(o.line)
	switch {
	case err != nil:
	case o.is():
		err = o.buffer.Flush()
	case o.flusher == nil:
		o.flusher = time.AfterFunc(flushEvery, o.flush)
	}
	return err
}

func (o *tailOutput) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flusher = nil
	_ = o.buffer.Flush() // the next write tells
}

// stop writes what is in the buffer.
func (o *tailOutput) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.flusher != nil {
		o.flusher.Stop()
	}
	_ = o.buffer.Flush()
}

// messageLine is a message for people.
func messageLine(m *api.Message) textLine {
	line := textLine{{dim, m.ReceivedAt.Local().Format("15:04:05.000") + "  "}, {bold, printable(m.ID, 64)}}
	if own := m.Seq <= 0 || m.Seq >= engine.FirstOwnSeq; !own {
		line = append(line, piece{dim, " #" + strconv.FormatInt(m.Seq, 10)})
	}
	if m.Client != "" {
		line = append(line, piece{plain, " " + printable(m.Client, 32)})
	}
	if m.Sender != "" {
		line = append(line, piece{plain, " as " + printable(m.Sender, 32)})
	}
	line = append(line, piece{green, " " + printable(m.Op, 32)})
	if m.Code != 0 {
		line = append(line, piece{yellow, fmt.Sprintf(" code %d", m.Code)})
	}
	data := string(bytes.TrimSpace(m.Data))
	if m.Cut {
		data = "(too large to be shown)"
	}
	return append(line, piece{plain, "  " + printable(data, maxLine)})
}

// appendMessage writes a message as the wire has it, on one line, and what the
// daemon knows of it. Data is what was sent, but for white space around its parts.
func appendMessage(b []byte, m *api.Message) []byte {
	text := func(name, value string) {
		b = append(b, name...)
		quoted, _ := json.Marshal(value)
		b = append(b, quoted...)
	}
	text(`{"op":`, m.Op)
	text(`,"id":`, m.ID)
	if m.Seq > 0 && m.Seq < engine.FirstOwnSeq {
		b = strconv.AppendInt(append(b, `,"seq":`...), m.Seq, 10)
	}
	text(`,"time":`, m.SentAt.UTC().Format(time.RFC3339Nano))
	b = strconv.AppendInt(append(b, `,"code":`...), m.Code, 10)
	data := bytes.TrimSpace(m.Data)
	switch {
	case m.Cut:
		b = append(b, `,"cut":true`...)
		data = []byte("null")
	case len(data) == 0:
		data = []byte("null")
	}
	b = append(b, `,"data":`...)
	for _, c := range data {
		if c == '\n' || c == '\r' { // only between the parts of a value
			c = ' '
		}
		b = append(b, c)
	}
	text(`,"client":`, m.Client)
	text(`,"received_at":`, m.ReceivedAt.UTC().Format(time.RFC3339Nano))
	text(`,"remote":`, m.Remote)
	text(`,"sender":`, m.Sender)
	return append(b, '}')
}

// escapeJSON appends a JSON text in which what is not printable is escaped: it means
// the same, and tells a terminal nothing.
func escapeJSON(b, text []byte) []byte {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, `\ufffd`...)
		case unicode.IsPrint(r):
			b = append(b, text[i:i+size]...)
		case r == '\n', r == '\r', r == '\t': // only between the parts of a value
			b = append(b, ' ')
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		i += size
	}
	return b
}

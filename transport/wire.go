package transport

import (
	"strconv"
	"unicode/utf8"
)

// The wire format: the names of what is received, and how answers are written.
// What is received is read by the decoder.

// subprotocol is selected when a client offers it.
const subprotocol = "ingest.v1"

// The ops that mean something to every transport.
const (
	opReport  = "report"
	opDone    = "done"
	opFlush   = "flush"
	opResume  = "resume"
	opRestore = "restore"
)

func isBuiltin(op string) bool {
	return op == opReport || op == opDone || op == opFlush || op == opResume || op == opRestore
}

// maxSeq is the greatest number that a client may give.
const maxSeq = 1<<62 - 1

// The codes of error answers.
const (
	codeBadJSON        = "bad_json"
	codeBadMessage     = "bad_message"
	codeUnknownOp      = "unknown_op"
	codeRejected       = "rejected"
	codeConflict       = "conflict"
	codeTooManyStreams = "too_many_streams"
	codeOverloaded     = "overloaded"
	codeUnsupported    = "unsupported"
	codeForbidden      = "forbidden"

	// Those of HTTP alone: a websocket is closed instead, or left without an answer.
	codeUnavailable = "unavailable"
	codeUndelivered = "undelivered"
)

// wireID is an id as its client wrote it: a number, or a string.
type wireID struct {
	id      string
	numeric bool
}

// failure is the content of an error answer.
type failure struct {
	code  string
	text  string
	retry bool
	id    wireID // id.id is empty where it could not be read
	seq   int64  // 0 where there is none
	index int    // the place in the frame; -1 where the frame held one message
}

func appendAck(b []byte, id wireID, seq int64) []byte {
	b = append(b, `{"op":"ack","id":`...)
	b = appendID(b, id)
	b = append(b, `,"seq":`...)
	b = strconv.AppendInt(b, seq, 10)
	return append(b, '}')
}

// appendDone leaves messages out where it is negative: the sink cannot count.
func appendDone(b []byte, id wireID, messages int64) []byte {
	b = append(b, `{"op":"done","id":`...)
	b = appendID(b, id)
	if messages >= 0 {
		b = append(b, `,"messages":`...)
		b = strconv.AppendInt(b, messages, 10)
	}
	return append(b, '}')
}

// appendFlush leaves the id out where it is empty: everything was flushed.
func appendFlush(b []byte, id wireID) []byte {
	b = append(b, `{"op":"flush"`...)
	if id.id != "" {
		b = append(b, `,"id":`...)
		b = appendID(b, id)
	}
	return append(b, '}')
}

func appendResume(b []byte, id wireID, seq int64) []byte {
	b = append(b, `{"op":"resume","id":`...)
	b = appendID(b, id)
	b = append(b, `,"seq":`...)
	b = strconv.AppendInt(b, seq, 10)
	return append(b, '}')
}

func appendFailure(b []byte, f failure) []byte {
	b = append(b, `{"op":"error","code":`...)
	b = appendString(b, f.code)
	b = append(b, `,"error":`...)
	b = appendString(b, f.text)
	b = append(b, `,"retry":`...)
	b = strconv.AppendBool(b, f.retry)
	if f.id.id != "" {
		b = append(b, `,"id":`...)
		b = appendID(b, f.id)
	}
	if f.seq != 0 {
		b = append(b, `,"seq":`...)
		b = strconv.AppendInt(b, f.seq, 10)
	}
	if f.index >= 0 {
		b = append(b, `,"index":`...)
		b = strconv.AppendInt(b, int64(f.index), 10)
	}
	return append(b, '}')
}

func appendID(b []byte, id wireID) []byte {
	if id.numeric {
		return append(b, id.id...)
	}
	return appendString(b, id.id)
}

// appendString writes s as a JSON string. What is not UTF-8 becomes U+FFFD, so
// that the frame is always valid.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(b, s[from:i]...)
				b = append(b, "\uFFFD"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

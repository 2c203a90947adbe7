package transport

import (
	"errors"
	"io"
	"unicode/utf8"

	"github.com/ingestd/ingestd/engine"
)

// A Decoder reads messages in the form of [WebSocket]'s wire, for a transport of a
// host program's own: one message, an array of them, or one behind the other, as
// in NDJSON. It checks all that the wire asks for, and allocates nothing for a
// message without fault. It is not safe for concurrent use.
type Decoder struct {
	d decoder
	m incoming
}

// NewDecoder makes a Decoder that knows these ops, as [WebSocketConfig].Ops has
// them, and "report", "done", "flush" and "resume".
func NewDecoder(ops ...string) *Decoder {
	return &Decoder{d: *newDecoder(operations(ops, nil))}
}

// Reset begins with the messages of frame, which must not change before Next has
// given the last of them.
func (d *Decoder) Reset(frame []byte) { d.d.reset(frame, utf8.Valid(frame)) }

// Next reads the next message into m, and returns [io.EOF] behind the last. It sets
// Kind, ID, Seq, Op, Code, Time and Data, and leaves the other fields as they are.
// ID and Data are valid until the next call. Time is zero where the message has
// none; ID is empty in a flush of every stream.
//
// Any other error is a [DecodeError]: this message is not to be routed. Next can be
// called again, and goes on with the one behind it.
func (d *Decoder) Next(m *engine.Message) error {
	in := &d.m
	if !d.d.next(in) {
		d.d.release()
		return io.EOF
	}
	if in.fault != "" {
		return &DecodeError{Code: in.fault, ID: in.id.id, Seq: in.seq, Err: errors.New(in.text)}
	}
	m.Kind, m.ID, m.Seq = in.op.engineKind(), in.id.id, in.seq
	m.Op, m.Code, m.Time, m.Data = in.op.name, in.code, in.time, in.data
	return nil
}

// DecodeError says what is wrong with a message, as the answer to its sender has
// it. ID is valid until the next call of Next.
type DecodeError struct {
	Code string // bad_json, bad_message or unknown_op
	ID   string // empty where it could not be read
	Seq  int64  // 0 where there is none
	Err  error
}

func (e *DecodeError) Error() string { return e.Err.Error() }
func (e *DecodeError) Unwrap() error { return e.Err }

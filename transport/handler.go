package transport

import "context"

// Handler serves an op of the host program's own.
//
// It is called on the connection's goroutine, in the order of the messages, so
// the messages behind it wait until it returns. ctx ends when the drain begins.
//
// An error is answered to the client as a bad_message with the error's text, but
// [engine.ErrOverloaded] and [engine.ErrTooManyStreams] keep their own codes, and
// [engine.ErrClosed] is not answered. A panic is logged and answered as an error;
// the connection goes on.
type Handler func(ctx context.Context, op Op) error

// Op is one message with an op of the host program's own. Its strings and its
// Frame are valid until the Handler returns.
type Op struct {
	Name  string // the op
	ID    string // as for any message; empty where there is none
	Seq   int64  // the client's number; 0 where there is none
	Frame []byte // the whole message, one JSON object, as it was sent

	// Reply sends one frame, which must be one JSON object, to the client. It
	// copies the frame, and waits while the client has too many answers to read.
	// It may be called several times, from any goroutine, also after the Handler
	// returned; it fails once the connection has ended.
	Reply func(frame []byte) error
}

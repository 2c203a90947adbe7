package sink

import (
	"errors"
	"unicode/utf8"
	"unsafe"

	"github.com/ingestd/ingestd/engine"
)

// errText is why a message is refused whose text is no text.
var (
	errData   = engine.Permanent(errors.New("data is not valid UTF-8"))
	errOp     = engine.Permanent(errors.New("op is not valid UTF-8"))
	errRemote = engine.Permanent(errors.New("remote is not valid UTF-8"))
	errSender = engine.Permanent(errors.New("sender is not valid UTF-8"))
)

// Check tells whether m can be stored as text: what is not UTF-8 is refused by
// MySQL, would come out of SQLite as no text, and makes a line of JSON that
// nobody can read. So every sink refuses it, with a permanent error.
func Check(m *engine.Message) error {
	switch {
	case !utf8.Valid(m.Data):
		return errData
	case !utf8.ValidString(m.Op):
		return errOp
	case !utf8.ValidString(m.Remote):
		return errRemote
	case !utf8.ValidString(m.Sender):
		return errSender
	}
	return nil
}

// CheckAll checks every message of a Write, and returns the Reject of the first
// that cannot be stored.
func CheckAll(batches []engine.Batch) error {
	for i := range batches {
		b := &batches[i]
		for j := range b.Messages {
			if err := Check(&b.Messages[j]); err != nil {
				return engine.Reject(i, j, err)
			}
		}
		if b.Final != nil {
			if err := Check(b.Final); err != nil {
				return engine.Reject(i, len(b.Messages), err)
			}
		}
	}
	return nil
}

// Data is the payload of m as it is stored: null where there is none, as on the
// wire. The string shares the memory of m.
func Data(m *engine.Message) string {
	if len(m.Data) == 0 {
		return "null"
	}
	return unsafe.String(unsafe.SliceData(m.Data), len(m.Data))
}

// Same tells whether m has the content that is stored under its key.
func Same(m *engine.Message, op string, code int64, data string) bool {
	return m.Code == code && m.Op == op && Data(m) == data
}

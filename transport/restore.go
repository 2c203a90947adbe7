package transport

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// line is one message of a file of undelivered messages, as the engine writes it.
type line struct {
	Op         string
	ID         string
	Seq        int64
	Client     string
	Time       time.Time
	ReceivedAt time.Time `json:"received_at"`
	Remote     string
	Sender     string
	Code       int64
	Data       json.RawMessage // byte for byte
	DataBase64 []byte          `json:"data_base64"` // in place of data that is no JSON
	Restore    string          // the token
}

// restoringSize is how large a frame may be that brings back a message which came
// in one of limit bytes: data may be in base64, and there is more besides it than
// the sender wrote, twice the id among it.
func restoringSize(limit int) int { return limit + limit/3 + 8<<10 }

// restores tells whether a frame begins as one that brings back a message: with its
// op.
func restores(frame []byte) bool {
	const begin = `{"op":"` + opRestore + `"`
	return bytes.HasPrefix(bytes.TrimLeft(frame[:min(len(frame), 64)], " \t\r\n"), []byte(begin))
}

// restore routes a message that the server itself gave up: its owner brings it back
// in the data of another, whose number the answers are about. It keeps its own
// number, name, times and sender; so it is stored once, however often it is brought.
// It is no sign that its stream has a sender, so it holds nothing.
func (c *conn) restore(m *incoming, d *decoder) bool {
	msg, err := restored(m, c.ws.config.RestoreToken)
	if err != nil {
		return c.refuse(m, codeBadMessage, err.Error(), d)
	}
	return c.accept(m, &msg, d)
}

// restored reads the message in the data of m.
func restored(m *incoming, token engine.Secret) (msg engine.Message, err error) {
	var l line
	if err := json.Unmarshal(m.data, &l); err != nil {
		return msg, fmt.Errorf("data must be a line of a file of undelivered messages: %w", err)
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(l.Restore), []byte(token)) != 1:
		return msg, errors.New("restore: data.restore is not the token of this server")
	case l.ID != m.id.id:
		return msg, errors.New("restore: id is not that of data")
	case l.Seq < 0:
		return msg, errors.New("restore: data.seq must not be negative")
	case len(l.Data) > 0 && len(l.DataBase64) > 0:
		return msg, errors.New("restore: data has both data and data_base64")
	}
	msg = engine.Message{
		ID:       l.ID,
		Seq:      l.Seq,
		Client:   l.Client,
		Op:       l.Op,
		Code:     l.Code,
		Time:     l.Time.UTC(),
		Received: l.ReceivedAt.UTC(),
		Remote:   l.Remote,
		Sender:   l.Sender,
		Data:     l.Data,
		Tag:      m.seq,
	}
	if len(l.DataBase64) > 0 {
		msg.Data = l.DataBase64
	}
	if l.Op == opDone {
		msg.Kind, msg.Op = engine.Done, opRestore // it asks for an ack, and not for the answer to a done
	}
	return msg, nil
}

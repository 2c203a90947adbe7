package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/engine"
)

// letter is a dead letter as a JSON object, but for its data. What may be more than
// 2^53 is a string.
type letter struct {
	Number    int64     `json:"number,string"`
	Kind      string    `json:"kind"`
	ID        string    `json:"id"`
	Seq       int64     `json:"seq,string"`
	Client    string    `json:"client"`
	Op        string    `json:"op"`
	Code      int64     `json:"code"`
	Sent      time.Time `json:"sent_at"`
	Received  time.Time `json:"received_at"`
	Remote    string    `json:"remote"`
	Sender    string    `json:"sender"`
	Reason    string    `json:"reason"`
	ErrorCode string    `json:"error_code"`
	Sink      string    `json:"sink"`
	Refused   time.Time `json:"refused_at"`
	Attempts  int64     `json:"attempts"`
	Replay    bool      `json:"replay"` // it waits to be sent again
	Bytes     int       `json:"bytes"`  // how large its data is
}

// AppendLetter writes l as a JSON object, and with withData the data in it: as
// "data", byte for byte as it was sent, or as "data_base64" where that is not JSON.
func AppendLetter(b []byte, l *deadletters.Letter, withData bool) []byte {
	m := &l.Message
	var head bytes.Buffer
	encoder := json.NewEncoder(&head)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(letter{ // it has nothing that cannot be encoded
		Number: l.Number, Kind: m.Kind.String(), ID: m.ID, Seq: m.Seq, Client: m.Client, Op: m.Op, Code: m.Code,
		Sent: year(m.Time), Received: year(m.Received), Remote: m.Remote, Sender: m.Sender,
		Reason: l.Reason, ErrorCode: l.Code, Sink: l.Sink, Refused: year(l.Refused), Attempts: l.Attempts,
		Replay: l.Replay != 0, Bytes: len(m.Data),
	})
	b = append(b, bytes.TrimSuffix(head.Bytes(), []byte("}\n"))...)
	switch {
	case !withData:
	case !utf8.Valid(m.Data) || !json.Valid(m.Data):
		b = append(b, `,"data_base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, m.Data)
		b = append(b, '"')
	default:
		b = append(append(b, `,"data":`...), m.Data...)
	}
	return append(b, '}')
}

// year makes t one that JSON can have.
func year(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// ParseLetter is the inverse of [AppendLetter]. A letter that its server cannot read
// is a [deadletters.ReadError].
func ParseLetter(text []byte) (deadletters.Letter, error) {
	var l struct {
		letter
		Data       json.RawMessage `json:"data"`
		Base64     []byte          `json:"data_base64"`
		Unreadable string          `json:"unreadable"`
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return deadletters.Letter{}, fmt.Errorf("read a dead letter: %w", err)
	}
	if l.Unreadable != "" {
		return deadletters.Letter{Number: l.Number}, &deadletters.ReadError{Number: l.Number, Err: fmt.Errorf("%s", l.Unreadable)}
	}
	kind := engine.Report
	if l.Kind == engine.Done.String() {
		kind = engine.Done
	}
	data := []byte(l.Data)
	if data == nil {
		data = l.Base64
	}
	replay := int64(0)
	if l.Replay {
		replay = 1
	}
	return deadletters.Letter{
		Number: l.Number,
		Message: engine.Message{
			Kind: kind, ID: l.ID, Seq: l.Seq, Client: l.Client, Op: l.Op, Code: l.Code, Time: l.Sent, Received: l.Received,
			Remote: l.Remote, Sender: l.Sender, Data: data,
		},
		Reason: l.Reason, Code: l.ErrorCode, Sink: l.Sink, Refused: l.Refused, Attempts: l.Attempts, Replay: replay,
	}, nil
}

// AppendUnreadable writes, in the place of a letter, that it cannot be read.
func AppendUnreadable(b []byte, err *deadletters.ReadError) []byte {
	text, _ := json.Marshal(struct { // it has nothing that cannot be encoded
		Number     int64  `json:"number,string"`
		Unreadable string `json:"unreadable"`
	}{err.Number, err.Err.Error()})
	return append(b, text...)
}

package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/engine"
)

// letter is a dead letter as a JSON object, but for its data.
type letter[N int64 | quoted] struct {
	Number    N         `json:"number"`
	Kind      string    `json:"kind"`
	ID        string    `json:"id"`
	Seq       N         `json:"seq"`
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

// quoted is a number that may be more than 2^53, past which a browser rounds: it is a
// string in JSON.
type quoted int64

func (q quoted) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(q), 10), nil }

func (q *quoted) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 64)
	*q = quoted(n)
	return err
}

// AppendLetter writes l as a JSON object, and with withData the data in it: as
// "data", byte for byte as it was sent, or as "data_base64" where that is not JSON.
func AppendLetter(b []byte, l *deadletters.Letter, withData bool) []byte {
	b = appendHead[quoted](b, l)
	if withData {
		b = appendData(b, l.Message.Data, false)
	}
	return append(b, '}')
}

// AppendLetterLine writes l with its data on one line, for programs other than
// browsers: its numbers are numbers, as those that send messages have them. Data that
// takes more lines is "data_base64", too.
func AppendLetterLine(b []byte, l *deadletters.Letter) []byte {
	return append(appendData(appendHead[int64](b, l), l.Message.Data, true), '}')
}

// appendHead writes all but the data, and no end.
func appendHead[N int64 | quoted](b []byte, l *deadletters.Letter) []byte {
	m := &l.Message
	var head bytes.Buffer
	encoder := json.NewEncoder(&head)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(letter[N]{ // it has nothing that cannot be encoded
		Number: N(l.Number), Kind: m.Kind.String(), ID: m.ID, Seq: N(m.Seq), Client: m.Client, Op: m.Op, Code: m.Code,
		Sent: year(m.Time), Received: year(m.Received), Remote: m.Remote, Sender: m.Sender,
		Reason: l.Reason, ErrorCode: l.Code, Sink: l.Sink, Refused: year(l.Refused), Attempts: l.Attempts,
		Replay: l.Replay != 0, Bytes: len(m.Data),
	})
	return append(b, bytes.TrimSuffix(head.Bytes(), []byte("}\n"))...)
}

func appendData(b, data []byte, oneLine bool) []byte {
	if utf8.Valid(data) && json.Valid(data) && !(oneLine && bytes.ContainsAny(data, "\r\n")) {
		return append(append(b, `,"data":`...), data...)
	}
	b = append(b, `,"data_base64":"`...)
	return append(base64.StdEncoding.AppendEncode(b, data), '"')
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
		letter[quoted]
		Data       json.RawMessage `json:"data"`
		Base64     []byte          `json:"data_base64"`
		Unreadable string          `json:"unreadable"`
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return deadletters.Letter{}, fmt.Errorf("read a dead letter: %w", err)
	}
	if l.Unreadable != "" {
		return deadletters.Letter{Number: int64(l.Number)}, &deadletters.ReadError{Number: int64(l.Number), Err: fmt.Errorf("%s", l.Unreadable)}
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
		Number: int64(l.Number),
		Message: engine.Message{
			Kind: kind, ID: l.ID, Seq: int64(l.Seq), Client: l.Client, Op: l.Op, Code: l.Code, Time: l.Sent, Received: l.Received,
			Remote: l.Remote, Sender: l.Sender, Data: data,
		},
		Reason: l.Reason, Code: l.ErrorCode, Sink: l.Sink, Refused: l.Refused, Attempts: l.Attempts, Replay: replay,
	}, nil
}

// AppendUnreadable writes, in the place of a letter, that it cannot be read.
func AppendUnreadable(b []byte, err *deadletters.ReadError) []byte {
	text, _ := json.Marshal(struct { // it has nothing that cannot be encoded
		Number     quoted `json:"number"`
		Unreadable string `json:"unreadable"`
	}{quoted(err.Number), err.Err.Error()})
	return append(b, text...)
}

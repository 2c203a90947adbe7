package ladder

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// message is a report as it is stored.
type message struct {
	sender
	id, op   string
	number   int64 // the sender's
	at       time.Time
	received time.Time
	data     string
}

// sender is who sent a message.
type sender struct{ client, remote string }

// envelope is a message as it is sent.
type envelope struct {
	Op   string          `json:"op"`
	ID   plain           `json:"id"`
	Seq  int64           `json:"seq"`
	Time plain           `json:"time"`
	Data json.RawMessage `json:"data"`
}

// plain is a number, or a string without escapes.
type plain string

// UnmarshalJSON takes the quotes off.
func (p *plain) UnmarshalJSON(b []byte) error {
	*p = plain(strings.Trim(string(b), `"`))
	return nil
}

func decode(frame []byte, from sender) (message, error) {
	var e envelope
	if err := json.Unmarshal(frame, &e); err != nil {
		return message{}, err
	}
	m := message{
		sender: from, id: string(e.ID), op: e.Op, number: e.Seq,
		received: time.Now().UTC(), data: string(e.Data),
	}
	m.at = m.received
	if s, err := strconv.ParseInt(string(e.Time), 10, 64); err == nil && len(e.Time) <= 11 {
		m.at = time.Unix(s, 0).UTC()
	}
	return m, nil
}

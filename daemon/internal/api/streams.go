package api

import "encoding/json"

// Streams is what GET /api/v1/streams answers, and the event "streams" has: the
// busiest of those that are live, the busiest first; then those that wait, then idle ones.
type Streams struct {
	Streams []LiveStream `json:"streams"`
}

// LiveStream is a stream that is live.
type LiveStream struct {
	ID           string `json:"id"`
	Accepted     uint64 `json:"accepted"`
	Rate         Number `json:"rate"` // messages a second, of late; null where nobody looked before
	Pending      int    `json:"pending"`
	PendingBytes int64  `json:"pending_bytes"`
	Since        Time   `json:"since"` // it is live
	State        string `json:"state"` // collecting ready writing retrying idle
	Error        string `json:"error"`
}

// Stream is what GET /api/v1/stream answers.
type Stream struct {
	ID         string          `json:"id"`
	Live       *LiveStream     `json:"live"`       // nil: it is not
	Stored     *StoredStream   `json:"stored"`     // nil: the sink has no row of it
	Messages   []StoredMessage `json:"messages"`   // the newest first
	Unreadable string          `json:"unreadable"` // why the sink was not asked, or did not answer
}

// StoredStream is a row of the table streams.
type StoredStream struct {
	Status    string  `json:"status"`   // open done
	Messages  int64   `json:"messages"` // how many were ever stored
	FirstSeq  int64   `json:"first_seq,string"`
	LastSeq   int64   `json:"last_seq,string"`
	FirstAt   Time    `json:"first_at"`
	LastAt    Time    `json:"last_at"`
	EndedAt   Time    `json:"ended_at"`
	EndReason *string `json:"end_reason"` // op disconnect
	EndCode   *int64  `json:"end_code"`
	EndData   *string `json:"end_data"`
}

// StoredMessage is a row of the table messages.
type StoredMessage struct {
	ID         string `json:"id"`
	Seq        int64  `json:"seq,string"`
	Client     string `json:"client"`
	Op         string `json:"op"`
	Code       int64  `json:"code"`
	SentAt     Time   `json:"sent_at"`
	ReceivedAt Time   `json:"received_at"`
	Remote     string `json:"remote"`
	Sender     string `json:"sender"`
	Data       string `json:"data"` // the text as it was sent
}

// Message is a message as it was accepted. Where Dropped is not 0 it is none, but
// says how many others came that the reader was too slow for.
type Message struct {
	ID         string          `json:"id"`
	Seq        int64           `json:"seq,string"` // 0: the engine gives it a number
	Client     string          `json:"client"`
	Op         string          `json:"op"`
	Code       int64           `json:"code"`
	SentAt     Time            `json:"sent_at"`
	ReceivedAt Time            `json:"received_at"`
	Remote     string          `json:"remote"`
	Sender     string          `json:"sender"`
	Data       json.RawMessage `json:"data"`
	Cut        bool            `json:"cut,omitempty"` // data was too large to be shown: it is null

	Dropped uint64 `json:"-"`
}

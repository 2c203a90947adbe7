package api

import "encoding/json"

// DeadLetters is what GET /api/v1/dead-letters answers.
type DeadLetters struct {
	Letters []Letter `json:"letters"`
	More    bool     `json:"more"` // there are others after these
}

// Letter is a dead letter: as "ingestd dead-letters list --json" has it, but for
// its numbers, which are strings.
type Letter struct {
	Number     int64           `json:"number,string"`
	Kind       string          `json:"kind"`
	ID         string          `json:"id"`
	Seq        int64           `json:"seq,string"`
	Client     string          `json:"client"`
	Op         string          `json:"op"`
	Code       int64           `json:"code"`
	SentAt     Time            `json:"sent_at"`
	ReceivedAt Time            `json:"received_at"`
	Remote     string          `json:"remote"`
	Sender     string          `json:"sender"`
	Reason     string          `json:"reason"`
	ErrorCode  string          `json:"error_code"`
	Sink       string          `json:"sink"`
	RefusedAt  Time            `json:"refused_at"`
	Attempts   int64           `json:"attempts"`
	Replay     bool            `json:"replay"`                // it waits to be sent again
	Size       int             `json:"size"`                  // of its data, in bytes
	Data       json.RawMessage `json:"data,omitempty"`        // of one letter only: lists have none
	DataBase64 []byte          `json:"data_base64,omitempty"` // in its place where it is not JSON
}

// LetterFilter selects dead letters: those that are all that it says.
type LetterFilter struct {
	ID     string `json:"id,omitempty"`
	Client string `json:"client,omitempty"`
	Code   string `json:"code,omitempty"`
	Sink   string `json:"sink,omitempty"`
}

// LetterChoice is the body of a replay or discard: numbers, filters, or all.
type LetterChoice struct {
	Numbers []string `json:"numbers,omitempty"`
	All     bool     `json:"all,omitempty"`
	LetterFilter
}

// LettersChanged is how many letters were marked for a replay, or discarded.
type LettersChanged struct {
	Letters int64 `json:"letters"`
}

package api

import (
	"encoding/json"
	"net/url"
	"strconv"
)

// DeadLetters is what GET /api/v1/dead-letters answers: one page.
type DeadLetters struct {
	Letters  []json.RawMessage `json:"letters"`  // for ParseLetter; by ascending number
	More     bool              `json:"more"`     // there are others after these
	Total    int64             `json:"total"`    // all letters that there are
	Matching int64             `json:"matching"` // those that the filters select, on all pages
}

// LetterFilter selects dead letters: those that are all that it says.
type LetterFilter struct {
	Numbers []string `json:"numbers,omitempty"` // one of these
	ID      string   `json:"id,omitempty"`
	Client  string   `json:"client,omitempty"`
	Code    string   `json:"code,omitempty"` // the error code
	Sink    string   `json:"sink,omitempty"`
}

// LetterPage says which page of dead letters is asked for.
type LetterPage struct {
	LetterFilter

	After int64 // those of a greater number
	Limit int   // at most so many; 0: as many as the server thinks fit
	Data  bool  // with their data
}

// query is the page in a URL.
func (p *LetterPage) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"id": p.ID, "client": p.Client, "code": p.Code, "sink": p.Sink} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(p.Numbers) > 0 {
		q["number"] = p.Numbers
	}
	if p.After > 0 {
		q.Set("after", strconv.FormatInt(p.After, 10))
	}
	if p.Data {
		q.Set("data", "1")
	}
	return optional(q, "limit", p.Limit)
}

// LetterChoice is the body of a replay or discard: numbers and filters, or all.
type LetterChoice struct {
	All bool `json:"all,omitempty"`
	LetterFilter
}

// LettersChanged is how many letters were marked for a replay, or discarded.
type LettersChanged struct {
	Letters int64 `json:"letters"`
	Request int64 `json:"request,omitempty,string"` // of a replay: asks for its outcome
}

// ReplayOutcome is what has become of the letters of a replay so far.
type ReplayOutcome struct {
	Asked   int64 `json:"asked"`
	Stored  int64 `json:"stored"`
	Refused int64 `json:"refused"` // again; they are there, with the new reason
	Waiting int64 `json:"waiting"`
}

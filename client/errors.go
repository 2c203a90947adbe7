package client

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is returned by the methods of a Client once Close has begun.
	ErrClosed = errors.New("the client is closed")

	// ErrOptions is wrapped by what Dial returns for a URL or options that are wrong.
	ErrOptions = errors.New("wrong options")

	// ErrMessage is wrapped by what Send returns for a message that no server
	// would take: nothing was sent.
	ErrMessage = errors.New("not a message")
)

// HandshakeError is returned by Dial where a server answered, and made no
// websocket of it. The status tells what to do: 401 and 403 that credentials
// are missing or wrong (Options.Header), 404 that the path of the URL is, 400
// that the name is not allowed, 503 that the server takes no connections now.
type HandshakeError struct {
	Status int    // of HTTP
	Text   string // what the server says
}

func (e *HandshakeError) Error() string {
	hint := ""
	switch e.Status {
	case 401, 403:
		hint = "; check the credentials"
	case 404:
		hint = "; check the path of the URL"
	case 426, 200:
		hint = "; check that the URL is that of a websocket"
	case 429, 503:
		hint = "; try again later"
	}
	if e.Text == "" {
		return fmt.Sprintf("the server answers with status %d%s", e.Status, hint)
	}
	return fmt.Sprintf("the server answers with status %d: %s%s", e.Status, e.Text, hint)
}

// UnackedError is returned by Close where messages were left without an answer.
// They may be stored or not. With Options.File they are kept there, and the next
// Client with that file sends them again.
type UnackedError struct {
	Count   int // how many
	Streams []Unacked
	Kept    bool  // they are kept in Options.File
	Err     error // why Close did not wait longer
}

// Unacked is what was not answered of one id.
type Unacked struct {
	ID          string
	First, Last int64 // the numbers of the first and the last message
	Count       int   // how many there are
}

func (e *UnackedError) Error() string {
	kept := ""
	if e.Kept {
		kept = ", and are kept"
	}
	return fmt.Sprintf("%d messages were not acked%s: %v", e.Count, kept, e.Err)
}

func (e *UnackedError) Unwrap() error { return e.Err }

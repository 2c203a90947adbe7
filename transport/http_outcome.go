package transport

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxErrors is how many errors an answer tells, and maxErrorText how long the text
	// of one may be: what a sink says may be anything.
	maxErrors    = 1000
	maxErrorText = 512

	// errorBytes is about what an error takes besides its id and text.
	errorBytes = 256
)

// outcome is what a request is told. The errors in it are part of the room that there
// is for bodies.
type outcome struct {
	bodies  *bodies
	spooled bool // the level at which messages are taken

	messages int // in the body, as far as it was looked at
	taken    int // stored, or spooled
	asked    int // done, flush and resume that succeeded
	done     []byte
	resume   []byte
	errors   []told
	untold   int    // errors that are left out
	stopped  *place // of the first message that was not looked at; nil: all were
	held     int    // of bodies

	// The kinds of errors there were.
	retry, shut, forbidden, other bool
}

// told is an error, and where its message stands.
type told struct {
	failure
	line int
}

// fail adds an error. f may be a view into the body.
func (o *outcome) fail(f failure, line int) {
	switch {
	case f.code == codeUnavailable, f.code == codeUndelivered:
		o.shut = true
	case f.retry:
		o.retry = true
	case f.code == codeForbidden:
		o.forbidden = true
	default:
		o.other = true
	}
	f.text = cut(f.text)
	size := errorBytes + len(f.id.id) + len(f.text)
	if len(o.errors) == maxErrors || !o.bodies.take(size) {
		o.untold++
		return
	}
	o.held += size
	f.id.id, f.text = strings.Clone(f.id.id), strings.Clone(f.text)
	o.errors = append(o.errors, told{f, line})
}

func cut(text string) string {
	if len(text) <= maxErrorText {
		return text
	}
	n := maxErrorText
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "..."
}

// tell adds the answer to a done or a resume to list; a negative value is left out.
func (o *outcome) tell(list *[]byte, id wireID, key string, value int64) {
	o.asked++
	b := *list
	if len(b) > 0 {
		b = append(b, ',')
	}
	b = append(b, `{"id":`...)
	b = appendID(b, id)
	if value >= 0 {
		b = append(b, `,"`...)
		b = append(b, key...)
		b = append(b, `":`...)
		b = strconv.AppendInt(b, value, 10)
	}
	*list = append(b, '}')
}

// release gives back what the answer takes.
func (o *outcome) release() {
	o.bodies.give(o.held)
	o.held, o.errors = 0, nil
}

// status is that of the answer. Where something was taken, or nothing was sent, the
// rest is told in the body alone.
func (o *outcome) status() int {
	switch {
	case o.taken > 0 || o.asked > 0 || o.messages == 0:
		return http.StatusOK
	case o.shut:
		return http.StatusServiceUnavailable
	case o.retry:
		return http.StatusTooManyRequests
	case o.forbidden && !o.other:
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// append writes the answer.
func (o *outcome) append(b []byte) []byte {
	field := func(name string, n int) {
		b = append(b, ',', '"')
		b = append(b, name...)
		b = append(b, '"', ':')
		b = strconv.AppendInt(b, int64(n), 10)
	}
	list := func(name string, items []byte) {
		if len(items) > 0 {
			b = append(b, ',', '"')
			b = append(b, name...)
			b = append(b, '"', ':', '[')
			b = append(b, items...)
			b = append(b, ']')
		}
	}
	b = append(b, `{"messages":`...)
	b = strconv.AppendInt(b, int64(o.messages), 10)
	if o.spooled {
		field("spooled", o.taken)
	} else {
		field("stored", o.taken)
	}
	list("done", o.done)
	list("resume", o.resume)
	if len(o.errors) > 0 {
		slices.SortFunc(o.errors, func(x, y told) int { return x.index - y.index })
		b = append(b, `,"errors":[`...)
		for i, e := range o.errors {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"index":`...)
			b = strconv.AppendInt(b, int64(e.index), 10)
			b = append(b, `,"line":`...)
			b = strconv.AppendInt(b, int64(e.line), 10)
			b = append(b, ',')
			e.index = -1
			b = append(b, appendFailure(nil, e.failure)[len(`{"op":"error",`):]...)
		}
		b = append(b, ']')
	}
	if o.untold > 0 {
		field("errors_left_out", o.untold)
	}
	if o.stopped != nil {
		b = append(b, `,"stopped":{"index":`...)
		b = strconv.AppendInt(b, int64(o.stopped.index), 10)
		b = append(b, `,"line":`...)
		b = strconv.AppendInt(b, int64(o.stopped.line), 10)
		b = append(b, '}')
	}
	return append(b, '}', '\n')
}

// reply answers a request whose messages were looked at.
func (h *HTTP) reply(rw http.ResponseWriter, o *outcome) {
	defer o.release()
	status := o.status()
	header := rw.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	switch status {
	case http.StatusTooManyRequests:
		header.Set("Retry-After", "1")
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", "1")
		header.Set("Connection", "close")
	}
	h.writeBy(rw)
	b := o.append(nil)
	header.Set("Content-Length", strconv.Itoa(len(b)))
	rw.WriteHeader(status)
	_, _ = rw.Write(b) // nobody can be told of an error
}

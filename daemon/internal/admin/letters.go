package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/deadletters"
)

// A page of dead letters has so many, where nobody says, and at most; or fewer with
// so much data.
const (
	shownLetters = 50
	mostLetters  = 500
	mostData     = 1 << 20
)

// filterOf makes a filter of what is asked for.
func filterOf(f api.LetterFilter) (deadletters.Filter, error) {
	filter := deadletters.Filter{ID: f.ID, Client: f.Client, Code: f.Code, Sink: f.Sink}
	for _, text := range f.Numbers {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return filter, fmt.Errorf("%q is no number of a dead letter", text)
		}
		filter.Numbers = append(filter.Numbers, n)
	}
	slices.Sort(filter.Numbers)
	filter.Numbers = slices.Compact(filter.Numbers)
	return filter, nil
}

// getLetters answers with a page of dead letters.
func (s *Server) getLetters(d *Daemon, w http.ResponseWriter, r *http.Request) {
	if d.Letters == nil {
		starting(w)
		return
	}
	q := r.URL.Query()
	filter, err := filterOf(api.LetterFilter{
		Numbers: q["number"], ID: q.Get("id"), Client: q.Get("client"), Code: q.Get("code"), Sink: q.Get("sink"),
	})
	limit, bad := number(r, "limit", shownLetters, mostLetters)
	if err = errors.Join(err, bad); err == nil && q.Get("after") != "" {
		filter.After, err = strconv.ParseInt(q.Get("after"), 10, 64)
		if err != nil {
			err = errors.New("after must be a number of a dead letter")
		}
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	text, err := d.page(r.Context(), filter, limit, q.Get("data") == "1")
	if err != nil {
		s.letterError(d, w, err)
		return
	}
	answerRaw(w, http.StatusOK, text)
}

// page writes a page. Data of letters stands in it byte for byte.
func (d *Daemon) page(ctx context.Context, f deadletters.Filter, limit int, data bool) ([]byte, error) {
	all := f
	all.After = 0
	total, err := d.Letters.Count(ctx)
	matching, bad := d.Letters.CountOf(ctx, all)
	if err := errors.Join(err, bad); err != nil {
		return nil, err
	}
	text := []byte(`{"letters":[`)
	more, size := false, 0
	f.Limit = limit + 1 // one more tells that there are more
	n := 0
	for l, err := range d.Letters.List(ctx, f) {
		unreadable, is := errors.AsType[*deadletters.ReadError](err)
		if err != nil && !is {
			return nil, err
		}
		if n == limit || data && size >= mostData {
			more = true
			break
		}
		if n++; n > 1 {
			text = append(text, ',')
		}
		if is {
			text = api.AppendUnreadable(text, unreadable)
			continue
		}
		l.Reason = d.Redact(l.Reason)
		text = api.AppendLetter(text, &l, data)
		size += len(l.Message.Data)
	}
	return fmt.Appendf(text, `],"more":%t,"total":%d,"matching":%d}`+"\n", more, total, matching), nil
}

// getLetter answers with one letter and its data.
func (s *Server) getLetter(d *Daemon, w http.ResponseWriter, r *http.Request) {
	if d.Letters == nil {
		starting(w)
		return
	}
	n, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err != nil {
		fail(w, http.StatusBadRequest, "%q is no number of a dead letter", r.PathValue("number"))
		return
	}
	l, err := d.Letters.Get(r.Context(), n)
	unreadable, is := errors.AsType[*deadletters.ReadError](err)
	switch {
	case errors.Is(err, deadletters.ErrNotFound):
		fail(w, http.StatusNotFound, "there is no dead letter %d", n)
	case is:
		answerRaw(w, http.StatusOK, append(api.AppendUnreadable(nil, unreadable), '\n'))
	case err != nil:
		s.letterError(d, w, err)
	default:
		l.Reason = d.Redact(l.Reason)
		answerRaw(w, http.StatusOK, append(api.AppendLetter(nil, &l, true), '\n'))
	}
}

// chosen reads which letters a command is about: numbers and filters, or all. Where
// it has answered, it returns false.
func (s *Server) chosen(d *Daemon, w http.ResponseWriter, r *http.Request) (deadletters.Filter, bool) {
	var choice api.LetterChoice
	if d.Letters == nil {
		starting(w)
		return deadletters.Filter{}, false
	}
	if !command(w, r, &choice) {
		return deadletters.Filter{}, false
	}
	filter, err := filterOf(choice.LetterFilter)
	some := len(filter.Numbers) > 0 || filter.ID != "" || filter.Client != "" || filter.Code != "" || filter.Sink != ""
	switch {
	case err != nil:
	case choice.All && some:
		err = errors.New("all is all letters: leave out the numbers and filters, or all")
	case !choice.All && !some:
		err = errors.New("which letters? Give numbers, filters like id or code, or all")
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return filter, false
	}
	gone, err := d.missing(r.Context(), filter.Numbers)
	switch {
	case err != nil:
		s.letterError(d, w, err)
		return filter, false
	case len(gone) > 0:
		fail(w, http.StatusNotFound, "there is no dead letter %s: nothing was done", strings.Join(gone, ", "))
		return filter, false
	}
	return filter, true
}

// missing gives those of the numbers that are of no letter.
func (d *Daemon) missing(ctx context.Context, numbers []int64) (gone []string, err error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	there := make(map[int64]bool)
	for l, err := range d.Letters.List(ctx, deadletters.Filter{Numbers: numbers}) {
		if unreadable, is := errors.AsType[*deadletters.ReadError](err); is {
			l.Number = unreadable.Number
		} else if err != nil {
			return nil, err
		}
		there[l.Number] = true
	}
	for _, n := range numbers {
		if !there[n] {
			gone = append(gone, strconv.FormatInt(n, 10))
		}
	}
	return gone, nil
}

// replayLetters marks letters. Who sends them again is the daemon's replayer.
func (s *Server) replayLetters(d *Daemon, w http.ResponseWriter, r *http.Request) {
	filter, ok := s.chosen(d, w, r)
	if !ok {
		return
	}
	request, n, err := d.Letters.Mark(r.Context(), filter)
	if err != nil {
		s.letterError(d, w, err)
		return
	}
	answer(w, http.StatusOK, api.LettersChanged{Letters: n, Request: request})
}

func (s *Server) discardLetters(d *Daemon, w http.ResponseWriter, r *http.Request) {
	filter, ok := s.chosen(d, w, r)
	if !ok {
		return
	}
	n, err := d.Letters.Discard(r.Context(), filter)
	if err != nil {
		s.letterError(d, w, err)
		return
	}
	answer(w, http.StatusOK, api.LettersChanged{Letters: n})
}

// getReplay answers with what has become of the letters of a replay.
func (s *Server) getReplay(d *Daemon, w http.ResponseWriter, r *http.Request) {
	if d.Letters == nil {
		starting(w)
		return
	}
	request, err := strconv.ParseInt(r.PathValue("request"), 10, 64)
	if err != nil {
		fail(w, http.StatusBadRequest, "%q is no number of a replay", r.PathValue("request"))
		return
	}
	o, err := d.Letters.Outcome(r.Context(), request)
	var waiting int64
	if err == nil {
		waiting, err = d.Letters.Waiting(r.Context(), request)
	}
	switch {
	case errors.Is(err, deadletters.ErrNoReplay):
		fail(w, http.StatusNotFound, "there is no replay %d, or it is long ago", request)
	case err != nil:
		s.letterError(d, w, err)
	default:
		answer(w, http.StatusOK, api.ReplayOutcome{Asked: o.Asked, Stored: o.Stored, Refused: o.Refused, Waiting: waiting})
	}
}

// letterError answers where the file of dead letters cannot be used.
func (s *Server) letterError(d *Daemon, w http.ResponseWriter, err error) {
	fail(w, http.StatusInternalServerError, "%s", d.Redact(err.Error()))
}

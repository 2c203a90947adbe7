package transport

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/engine"
)

// FuzzHTTPBody posts bodies to a server of small limits, whose router refuses some
// and whose sink others. The answer is one that may be, and exact: what it counts as
// stored was accepted and not refused, each error is at its place, no room is lost.
func FuzzHTTPBody(f *testing.F) {
	for _, text := range []string{
		`{"id":1}`, "{\"id\":1}\n{\"id\":2,\n{\"id\":\"full\",\"seq\":3} {\"id\":\"full\",\"seq\":4}", `[{"id":"bad"},{"op":"done","id":1},{"op":"flush"},3]`,
		`{"op":"resume","id":"x"}{"id":"x","seq":1,"data":{"a":[1,2]}}`, "", "[]", "{\"id\":\"\xff\"}",
	} {
		f.Add([]byte(text), "", "")
		f.Add([]byte(gzipped(f, text)), "gzip", "?client=c")
		f.Add([]byte(zstded(f, text)), "zstd", "?client=c")
	}
	c := testHTTPConfig()
	c.Listen, c.MaxBodySize, c.MaxMessageSize = "", 4<<10, 256
	h, err := ListenHTTP(c)
	if err != nil {
		f.Fatal(err)
	}
	router := &fuzzRouter{}
	ctx, drain := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.Serve(ctx, router) }()
	f.Cleanup(func() {
		drain()
		if err := <-served; err != nil {
			f.Error(err)
		}
	})
	for !h.enter() {
	}
	h.group.Done()
	h.settling.Done()

	f.Fuzz(func(t *testing.T, body []byte, encoding, query string) {
		r := httptest.NewRequest("POST", "/v1/messages", strings.NewReader(string(body)))
		r.Header.Set("Content-Encoding", encoding)
		r.URL.RawQuery = strings.TrimPrefix(query, "?")
		rec := httptest.NewRecorder()
		router.accepted, router.refused = 0, 0
		h.ServeHTTP(rec, r)
		if n := h.Stats().Bodies; n != 0 {
			t.Fatalf("bodies take %d bytes afterwards", n)
		}
		if rec.Header().Get("Content-Type") != "application/json" {
			if rec.Code < 400 || rec.Code >= 500 || rec.Body.Len() == 0 {
				t.Fatalf("answered is %d %s", rec.Code, rec.Body)
			}
			return
		}
		var o struct {
			Messages, Stored int
			Errors           []struct {
				Index, Line int
				Code, Error string
				Retry       bool
			}
			Done, Resume []any
			LeftOut      int `json:"errors_left_out"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &o); err != nil {
			t.Fatalf("%v: %s", err, rec.Body)
		}
		last, line := -1, 1
		taken := o.Stored + len(o.Done) + len(o.Resume)
		for _, e := range o.Errors {
			if e.Index <= last || e.Index >= o.Messages || e.Line < line || e.Code == "" || e.Error == "" {
				t.Fatalf("an error is %+v: %s", e, rec.Body)
			}
			last, line = e.Index, e.Line
		}
		if o.Stored+router.refused != router.accepted || taken+len(o.Errors)+o.LeftOut > o.Messages {
			t.Fatalf("%d accepted, %d of them refused: %s", router.accepted, router.refused, rec.Body)
		}
		switch rec.Code {
		case http.StatusOK:
		case http.StatusBadRequest, http.StatusTooManyRequests:
			if taken > 0 || len(o.Errors) == 0 {
				t.Fatalf("answered is %d %s", rec.Code, rec.Body)
			}
		default:
			t.Fatalf("answered is %d %s", rec.Code, rec.Body)
		}
	})
}

// fuzzRouter settles what it accepts at once, and remembers no more than counts. It
// serves one request at a time.
type fuzzRouter struct{ accepted, refused int }

func (r *fuzzRouter) Route(_ context.Context, m engine.Message, p engine.Producer) error {
	if m.ID == "full" && m.Kind == engine.Report {
		return engine.ErrOverloaded
	}
	if err := engine.Check(&m); err != nil {
		return err
	}
	var err error
	if m.Kind == engine.Report {
		r.accepted++
		if m.ID == "bad" {
			r.refused++
			err = engine.Permanent(errors.New("bad"))
		}
	}
	p.Settled([]engine.Message{m}, engine.Result{}, err)
	return nil
}

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
)

func TestLetters(t *testing.T) {
	d := newDaemon(t)
	for seq := range 5 {
		err := d.Letters.Keep(t.Context(), []engine.DeadLetter{{
			Message: engine.Message{ID: "a", Seq: int64(seq + 1), Client: "c", Data: []byte(`{"x": "<b>"}`)},
			Err:     engine.Permanent(errors.New("secret is wrong")), Code: "1406",
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, Access{}, d)
	get := func(query string) (page api.DeadLetters, text string) {
		t.Helper()
		w := ask(s, http.MethodGet, "/api/v1/dead-letters"+query, "", nil)
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %v %s", query, w.Code, err, w.Body)
		}
		return page, w.Body.String()
	}
	page, text := get("?limit=2&after=1&code=1406")
	if len(page.Letters) != 2 || !page.More || page.Total != 5 || page.Matching != 5 || strings.Contains(text, "<b>") || strings.Contains(text, "secret") {
		t.Errorf("a page is %s", text)
	}
	if page, text := get("?limit=2&after=3&data=1"); page.More || !strings.Contains(text, `"data":{"x": "<b>"}`) {
		t.Errorf("the last page is %s", text)
	}
	if page, _ := get("?number=2&number=9&id=a"); len(page.Letters) != 1 || page.Matching != 1 {
		t.Errorf("of two numbers: %+v", page)
	}
	kind := header("Content-Type", "application/json")
	for _, c := range []struct {
		path, body string
		want       int
		says       string
	}{
		{"replay", `{}`, 400, "which letters?"},
		{"discard", `{}`, 400, "which letters?"},
		{"discard", `{"all":true,"id":"a"}`, 400, "leave out"},
		{"discard", `{"every":true}`, 400, "unknown field"},
		{"discard", `{"numbers":["x"]}`, 400, "no number"},
		{"discard", `{"numbers":["1"]}{"all":true}`, 400, "more than one value"},
		{"discard", `{"numbers":["1","7","8"]}`, 404, "there is no dead letter 7, 8: nothing was done"},
		{"replay", `{"numbers":["1","2"]}`, 200, `{"letters":2,"request":"1"}`},
		{"discard", `{"numbers":["1","1"]}`, 200, `{"letters":1}`},
		{"discard", `{"id":"b"}`, 200, `{"letters":0}`},
	} {
		w := ask(s, http.MethodPost, "/api/v1/dead-letters/"+c.path, c.body, kind)
		if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: %d %s", c.path, c.body, w.Code, w.Body)
		}
	}
	if w := ask(s, http.MethodPost, "/api/v1/dead-letters/discard", `{"all":true}`, header("Content-Type", "text/plain")); w.Code != 415 {
		t.Errorf("a body that a form can send: %d", w.Code)
	}
	for path, want := range map[string]string{
		"/2": `"replay":true`, "/1": "there is no dead letter 1", "/x": "is no number",
		"/replays/1": `{"asked":2,"stored":0,"refused":0,"waiting":1}`, "/replays/9": "there is no replay 9",
	} {
		if w := ask(s, http.MethodGet, "/api/v1/dead-letters"+path, "", nil); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}

// A daemon that starts answers with its status, and says of the rest that it is not
// there yet.
func TestStarting(t *testing.T) {
	whole := newDaemon(t)
	s := open(t, Access{}, &Daemon{Readiness: whole.Readiness, Status: whole.Status})
	for _, request := range []string{
		"GET /api/v1/streams", "GET /api/v1/stream?id=a", "GET /api/v1/tail", "GET /api/v1/config", "GET /api/v1/dead-letters",
		"GET /api/v1/dead-letters/1", "GET /api/v1/dead-letters/replays/1", "POST /api/v1/dead-letters/replay",
		"POST /api/v1/reload", "POST /api/v1/messages", "PUT /api/v1/log-level", "GET /metrics",
	} {
		method, path, _ := strings.Cut(request, " ")
		if w := ask(s, method, path, "{}", nil); w.Code != 503 || !strings.Contains(w.Body.String(), "starting") {
			t.Errorf("%s: %d %s", request, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/api/v1/status", "/api/v1/history", "/readyz", "/healthz"} {
		if w := ask(s, http.MethodGet, path, "", nil); w.Code != 200 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	s.Attach(whole)
	if w := ask(s, http.MethodGet, "/api/v1/config", "", nil); w.Code != 200 {
		t.Errorf("after the start: %d", w.Code)
	}
}

func TestReloadAnswers(t *testing.T) {
	d := newDaemon(t)
	s := open(t, Access{}, d)
	for want, err := range map[int]error{200: nil, 422: errors.New("two\nmistakes"), 503: fmt.Errorf("no: %w", ErrDraining)} {
		d.Reload = func(context.Context) (api.Reloaded, error) { return api.Reloaded{}, err }
		if w := ask(s, http.MethodPost, "/api/v1/reload", "", nil); w.Code != want {
			t.Errorf("%v: %d %s", err, w.Code, w.Body)
		}
	}
}

// What is posted comes to the transport without our token, and without the page
// that was looked at here.
func TestMessagesAreHandedOn(t *testing.T) {
	s := open(t, Access{Token: token}, newDaemon(t))
	w := ask(s, http.MethodPost, "/api/v1/messages", "{}", header("Authorization", "Bearer "+token, "Origin", "http://127.0.0.1:7002"))
	if w.Code != 200 || w.Body.String() != `["{}","",""]`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

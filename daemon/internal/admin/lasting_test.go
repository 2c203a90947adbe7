package admin

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ingestd/ingestd/daemon/internal/api"
)

// What lasts ends when another token is in effect, as sessions do, and begins again
// only with that. A reload that leaves the token as it is ends nothing.
func TestAnotherTokenEndsWhatLasts(t *testing.T) {
	s := serve(t, Access{}, newDaemon(t))
	events, _ := follow(t, s, "/api/v1/events")
	tail, _ := follow(t, s, "/api/v1/tail")
	s.SetAccess(Access{})
	var status api.StatusEvent
	next(t, events, "status", &status)
	if !status.Status.Ready {
		t.Errorf("%+v", status)
	}

	s.SetAccess(Access{Token: token})
	for _, r := range []*bufio.Reader{events, tail} {
		_, err := io.Copy(io.Discard, r)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err) // what is waited for no longer
		}
	}
	for _, path := range []string{"/api/v1/events", "/api/v1/tail"} {
		if _, resp := follow(t, s, path); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

// The token that lets a reader in may be another one before its answer begins.
func TestTokenThatChangesMeanwhile(t *testing.T) {
	s := open(t, Access{}, newDaemon(t))
	s.SetAccess(Access{Token: token})
	for name, h := range map[string]func(*Daemon, http.ResponseWriter, *http.Request){"events": s.getEvents, "tail": s.getTail} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		h(s.daemon.Load(), w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if len(s.events)+len(s.tails) != 0 {
		t.Error("a place is taken")
	}
}

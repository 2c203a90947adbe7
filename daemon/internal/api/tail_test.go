package api

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A line that does not end, of whatever answers there, takes no more memory than
// the longest that there can be.
func TestTailLineWithoutEnd(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"first"}`+"\n"+`{"id":"`)
		for piece := bytes.Repeat([]byte("a"), 64<<10); ; {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	c, err := NewClient(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var ids []string
	var last error
	for m, err := range c.Tail(t.Context(), "") {
		if last = err; err == nil {
			ids = append(ids, m.ID)
		}
	}
	if fmt.Sprint(ids) != "[first]" || !errors.Is(last, bufio.ErrTooLong) {
		t.Errorf("%v, and then: %v", ids, last)
	}
}

// A line that is cut off is an error, and what is before it is not.
func TestTailCutOff(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"first"}`+"\n"+`{"id":"sec`)
	}))
	defer server.Close()
	c, err := NewClient(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var ids []string
	var last error
	for m, err := range c.Tail(t.Context(), "") {
		if last = err; err == nil {
			ids = append(ids, m.ID)
		}
	}
	if fmt.Sprint(ids) != "[first]" || last == nil {
		t.Errorf("%v, and then: %v", ids, last)
	}
}

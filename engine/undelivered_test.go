package engine_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ingestd/ingestd/engine"
)

// line is a line of a file of undelivered messages.
type line struct {
	Op, ID, Client, Remote, Sender string
	Seq, Code                      int64
	Time                           time.Time
	ReceivedAt                     time.Time `json:"received_at"`
	Data                           json.RawMessage
	Base64                         []byte `json:"data_base64"`
}

// checkUndelivered reads a file of undelivered messages and compares, stream by
// stream.
func checkUndelivered(t *testing.T, path string, want []engine.Message) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := make(map[string][]line)
	if bytes.Contains(content, []byte(`"seq":0`)) {
		t.Error("a number that the wire does not take")
	}
	for text := range bytes.Lines(content) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil || !utf8.Valid(text) {
			t.Fatalf("%q: %v", text, err)
		}
		if l.Base64 != nil {
			l.Data = l.Base64
		}
		lines[l.ID] = append(lines[l.ID], l)
	}
	for _, m := range want {
		if m.Kind != engine.Report && m.Kind != engine.Done {
			continue
		}
		op := m.Op
		if m.Kind == engine.Done {
			op = "done"
		}
		if len(lines[m.ID]) == 0 {
			t.Fatalf("%+v is not in the file", m)
		}
		got := lines[m.ID][0]
		lines[m.ID] = lines[m.ID][1:]
		if got.Op != op || got.Client != m.Client || got.Code != m.Code || !bytes.Equal(got.Data, m.Data) {
			t.Errorf("got %+v, want %+v", got, m)
		}
		if m.Kind == engine.Report && (got.Seq == 0 || m.Seq != 0 && got.Seq != m.Seq || got.Time.IsZero()) {
			t.Errorf("got %+v", got)
		}
	}
	for id, rest := range lines {
		if len(rest) > 0 {
			t.Errorf("%q: %d more than expected", id, len(rest))
		}
	}
}

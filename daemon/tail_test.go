package daemon

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/daemon/internal/api"
)

// probe sends messages until one of them shows that the tail is there.
func (p *process) probe(c *websocket.Conn, shown func() bool) {
	p.t.Helper()
	for !shown() {
		p.send(c, `[{"id":"probe","data":0},{"op":"flush"}]`)
		if _, err := p.receive(c); err != nil {
			p.t.Fatal(err)
		}
	}
}

// A terminal is told nothing by what messages hold.
func TestTailOnATerminal(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, free...)
	c, _, err := websocket.Dial(t.Context(), p.url()+"?client=phone-7", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	tail := startOnTerminal(t, dir, []string{"TERM=xterm", "NO_COLOR=1"}, "tail", "--url="+p.admin())
	said := func() string {
		tail.mu.Lock()
		defer tail.mu.Unlock()
		return tail.said.String()
	}
	p.probe(c, func() bool { return strings.Contains(said(), "probe") })
	p.send(c, "{\"id\":\"a\\u001b[31m\",\"seq\":7,\"code\":3,\"data\":{\"x\":\"\u009b31m\u202e\"}}")
	tail.await(times(1, `"}`))
	text, status := tail.stop()
	if status != 0 || !strings.Contains(text, ` a\x1b[31m #7 phone-7 report code 3  {"x":"\u009b31m\u202e"}`) {
		t.Errorf("exit status %d: %q", status, text)
	}
	if strings.ContainsAny(text, "\x1b\u009b\u202e") {
		t.Errorf("the terminal is told something: %q", text)
	}
}

// Messages as JSON are what the wire has: own numbers are left out, and data is what
// was sent, on one line.
func TestAppendMessage(t *testing.T) {
	var m api.Message
	const wire = `{"id":"17","seq":"42","client":"phone-7","op":"report","code":3,"sent_at":"2024-05-07T03:33:20.000005Z",` +
		`"received_at":"2024-05-07T03:33:21Z","remote":"10.0.0.1:4000","sender":"x","data":{"a" : 1.0,` + "\n" + `"b":"<&>"}}`
	if err := json.Unmarshal([]byte(wire), &m); err != nil {
		t.Fatal(err)
	}
	const want = `{"op":"report","id":"17","seq":42,"time":"2024-05-07T03:33:20.000005Z","code":3,"data":{"a" : 1.0, "b":"<&>"},` +
		`"client":"phone-7","received_at":"2024-05-07T03:33:21Z","remote":"10.0.0.1:4000","sender":"x"}`
	if got := string(appendMessage(nil, &m)); got != want {
		t.Errorf("%s", got)
	}
	m.Seq, m.Data, m.Cut = 1<<62, nil, true
	if got := string(appendMessage(nil, &m)); strings.Contains(got, "seq") || !strings.Contains(got, `"cut":true,"data":null`) {
		t.Errorf("%s", got)
	}
	parsed, err := parseMessage([]byte(want))
	if err != nil || parsed.ID != "17" || parsed.Seq != 42 || parsed.Code != 3 || string(parsed.Data) != `{"a" : 1.0, "b":"<&>"}` {
		t.Errorf("send takes it as %+v, %v", parsed, err)
	}
}

// FuzzEscapeJSON: it means the same, and tells a terminal nothing.
func FuzzEscapeJSON(f *testing.F) {
	f.Add("\x1b\u009b\u202e\U000e0001\u2028 plain")
	f.Fuzz(func(t *testing.T, text string) {
		quoted, _ := json.Marshal(text)
		escaped := escapeJSON(nil, quoted)
		var got, want string
		if json.Unmarshal(escaped, &got) != nil || json.Unmarshal(quoted, &want) != nil || got != want {
			t.Errorf("%q became %q", text, escaped)
		}
		if printable(string(escaped), len(escaped)) != string(escaped) {
			t.Errorf("%q is not printable", escaped)
		}
	})
}

package transport

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport/transporttest"
)

const kept = `{"op":"progress","id":"17","seq":4611686018427387999,"client":"phone","time":"2024-05-06T21:33:20.123456789Z",` +
	`"received_at":"2024-05-06T21:33:21Z","remote":"10.0.0.1:5","sender":"eve","code":-7,"data":{"b": 1,"a":[ 1 ],"a":"\ud800"},"restore":"s3cret"}`

func withToken(c *WebSocketConfig) { c.RestoreToken = "s3cret" }

// A message that the server gave up comes back with all that it had, byte for byte;
// the answers are about the number of the one that brings it.
func TestRestore(t *testing.T) {
	s := serve(t, withToken)
	c := s.dial("?client=courier")
	c.send(`{"op":"restore","id":17,"seq":5,"time":1,"code":2,"data":` + kept + `}`)
	c.expect(`{"op":"ack","id":17,"seq":5}`)
	m := s.waitMessages(1)[0]
	want := engine.Message{
		ID: "17", Seq: 4611686018427387999, Client: "phone", Op: "progress", Code: -7,
		Time:     time.Date(2024, 5, 6, 21, 33, 20, 123456789, time.UTC),
		Received: time.Date(2024, 5, 6, 21, 33, 21, 0, time.UTC),
		Remote:   "10.0.0.1:5", Sender: "eve", Tag: 5,
		Data: []byte(`{"b": 1,"a":[ 1 ],"a":"\ud800"}`),
	}
	if got := fmt.Sprintf("%+v", m); got != fmt.Sprintf("%+v", want) {
		t.Errorf("routed %s\nwant   %+v", got, want)
	}

	c.send(`{"op":"restore","id":"b","seq":6,"data":{"op":"x","id":"b","time":"2024-05-06T21:33:20Z","data_base64":"AP8=","restore":"s3cret"}}`)
	c.expect(`{"op":"ack","id":"b","seq":6}`)
	if m := s.waitMessages(2)[1]; string(m.Data) != "\x00\xff" || m.Seq != 0 || m.Client != "" {
		t.Errorf("routed %+v", m)
	}

	s.router.Outcome(func(engine.Message) error { return engine.ErrConflict })
	c.send(`{"op":"restore","id":17,"seq":7,"data":` + kept + `}`)
	c.expectError("conflict", `"retry":false,"id":17,"seq":7`)
}

// The end of a stream that was given up ends it. It is acked like any message: the
// one who brings it did not send the done.
func TestRestoreDone(t *testing.T) {
	s := serve(t, withToken)
	c := s.dial("")
	c.send(`{"op":"restore","id":"a","seq":1,"data":{"op":"done","id":"a","code":3,"data":"end","restore":"s3cret"}}
		{"op":"flush","id":"a"}`)
	c.expect(`{"op":"ack","id":"a","seq":1}`, `{"op":"flush","id":"a"}`)
	if m := s.waitMessages(1)[0]; m.Kind != engine.Done || m.Code != 3 || string(m.Data) != `"end"` {
		t.Errorf("routed %+v", m)
	}
}

// Who brings messages back is not their sender: that it goes ends nothing.
func TestRestoreHoldsNothing(t *testing.T) {
	s := serve(t, withToken)
	c := s.dial("")
	c.send(`{"op":"restore","id":17,"seq":1,"data":` + kept + `}`)
	c.expect(`{"op":"ack","id":17,"seq":1}`)
	c.send(`{"id":"own"}`)
	s.waitMessages(2)
	_ = c.conn.CloseNow()
	s.waitGone(0)
	s.waitFor("the end of its own", func(st transporttest.State) bool { return len(st.Messages) == 3 })
	if ms := s.router.Messages(); ms[2].Kind != engine.Disconnect || ms[2].ID != "own" || s.Stats().Held != 0 {
		t.Errorf("%s; %d held", kinds(ms), s.Stats().Held)
	}
}

func TestRestoreIsRefused(t *testing.T) {
	s := serve(t, withToken)
	c := s.dial("")
	for i, data := range []string{
		strings.Replace(kept, "s3cret", "guess", 1),
		strings.Replace(kept, "s3cret", "", 1),
		strings.Replace(kept, "s3cret", "s3cretx", 1),
		strings.Replace(kept, `"17"`, `"18"`, 1),
		strings.Replace(kept, `"17"`, `17`, 1),
		strings.Replace(kept, "4611686018427387999", "-1", 1),
		strings.Replace(kept, "4611686018427387999", "9223372036854775808", 1),
		strings.Replace(kept, "4611686018427387999", "1.5", 1),
		strings.Replace(kept, "2024-05-06", "06.05.2024", 1),
		strings.Replace(kept, `"code"`, `"data_base64":"AP8=","code"`, 1),
		`{}`, `null`, `[]`, `"s3cret"`,
	} {
		c.send(fmt.Sprintf(`{"op":"restore","id":17,"seq":%d,"data":%s}`, i+1, data))
		answer, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(answer, `"code":"bad_message"`) || !strings.Contains(answer, fmt.Sprintf(`"id":17,"seq":%d}`, i+1)) ||
			strings.Contains(answer, "s3cret") || strings.Contains(answer, "guess") {
			t.Errorf("%s\nis answered with %s", data, answer)
		}
	}
	if ms := s.router.Messages(); len(ms) > 0 {
		t.Errorf("%d were routed", len(ms))
	}
}

// A message that filled its frame comes back in a larger one; nothing else does.
func TestRestoreOfLargeMessages(t *testing.T) {
	const limit = 64 << 10
	s := serve(t, func(c *WebSocketConfig) { c.RestoreToken, c.MaxMessageSize = "s3cret", limit })
	c := s.dial("")
	id := strings.Repeat("\\u0001", engine.MaxIDLen)
	sent := fmt.Sprintf(`{"id":"%s","data":""}`, id)
	text := strings.Repeat("x", limit-len(sent))
	c.send(strings.Replace(sent, `""`, `"`+text+`"`, 1))
	lines := []string{`"data":"` + text + `"`, `"data_base64":"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"`}
	for i, data := range lines {
		line := strings.Replace(kept, `"data":{"b": 1,"a":[ 1 ],"a":"\ud800"}`, data, 1)
		line = strings.Replace(line, `"17"`, `"`+id+`"`, 1)
		c.send(fmt.Sprintf(`{"op":"restore","id":"%s","seq":%d,"data":%s}`+"\n", id, i+1, line))
		c.expect(fmt.Sprintf(`{"op":"ack","id":"%s","seq":%d}`, id, i+1))
	}
	s.waitMessages(3)

	c.send(`{"op":"restore","id":1} {"id":"a","seq":1,"data":"` + text + strings.Repeat("x", 4000) + `"}`)
	c.expectError("bad_message", `"retry":false,"id":1,"index":0`)
	c.expectError("bad_message", `"retry":false,"id":"a","seq":1,"index":1`)
	for _, frame := range []string{
		` {"id":"a","op":"restore","data":"` + text + strings.Repeat("x", 4000) + `"}`,
		`{"op":"restore","data":"` + strings.Repeat("x", restoringSize(limit)) + `"}`,
	} {
		c := s.dial("")
		c.send(frame)
		if _, err := c.receive(); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
			t.Errorf("%v", err)
		}
	}
}

func TestRestoreWithoutToken(t *testing.T) {
	s := serve(t, nil)
	c := s.dial("")
	for _, data := range []string{kept, strings.Replace(kept, "s3cret", "", 1)} {
		c.send(`{"op":"restore","id":17,"seq":1,"data":` + data + `}`)
		c.expectError("unknown_op", `"retry":false,"id":17,"seq":1`)
	}
}

package transport

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// What bodies are answered with. The router refuses the ids "full" and "many", and
// the sink the ids "bad" and "other".
func TestBodies(t *testing.T) {
	s := serveHTTP(t, func(c *HTTPConfig) {
		c.Ops = []string{"report", "progress"}
		c.MaxMessageSize = 200
	})
	s.router.Refuse(func(m engine.Message) error {
		switch m.ID {
		case "full":
			return engine.ErrOverloaded
		case "many":
			return engine.ErrTooManyStreams
		case "never":
			return engine.Permanent(errors.New("never fits"))
		}
		return nil
	})
	s.router.Outcome(func(m engine.Message) error {
		switch m.ID {
		case "bad":
			return engine.Reject(3, 4, errors.New("too long"))
		case "other":
			return engine.ErrConflict
		}
		return nil
	})
	const overloaded, tooMany = `"code":"overloaded","error":"too much is pending","retry":true`,
		`"code":"too_many_streams","error":"too many live streams","retry":true`
	for _, c := range []struct {
		name, query, body string
		status            int
		want              string
	}{
		{"one message", "", `{"id":1}`, 200, `{"messages":1,"stored":1}`},
		{"an array", "", `[{"id":1},{"id":"a","op":"progress"}]`, 200, `{"messages":2,"stored":2}`},
		{"lines", "", "{\"id\":1}\r\n\n{\"id\":2}\n", 200, `{"messages":2,"stored":2}`},
		{"without white space, as curl -d makes it of lines", "", `{"id":1}{"id":2}`, 200, `{"messages":2,"stored":2}`},
		{"an empty array", "", ` [ ] `, 200, `{"messages":0,"stored":0}`},
		{
			"partly", "", "{\"id\":1}\n{\"id\":2,\n\n{\"id\":7}\n{\"id\":5}",
			200, `{"messages":3,"stored":2,"errors":[` +
				`{"index":1,"line":4,"code":"bad_json","error":"not JSON: at byte 19: a key in double quotes is expected in an object","retry":false}]}`,
		},
		{
			"partly, in an array", "?client=c", "[{\"id\":1},\n{\"id\":7,\"op\":\"x\"},\n{\"id\":\"bad\",\"seq\":9},{\"id\":\"other\",\"seq\":8}, 3]",
			200, `{"messages":5,"stored":1,"errors":[` +
				`{"index":1,"line":2,"code":"unknown_op","error":"the op \"x\" is not known","retry":false,"id":7},` +
				`{"index":2,"line":3,"code":"rejected","error":"too long","retry":false,"id":"bad","seq":9},` +
				`{"index":3,"line":3,"code":"conflict","error":"this client already stored something else under this id and seq","retry":false,"id":"other","seq":8},` +
				`{"index":4,"line":3,"code":"bad_message","error":"a message must be a JSON object","retry":false}]}`,
		},
		{
			"a nameless client's numbers", "", `{"id":"bad","seq":9} {"id":"bad"}`,
			400, `{"messages":2,"stored":0,"errors":[` +
				`{"index":0,"line":1,"code":"rejected","error":"too long","retry":false,"id":"bad","seq":9},` +
				`{"index":1,"line":1,"code":"rejected","error":"too long","retry":false,"id":"bad"}]}`,
		},
		{
			"nothing usable", "", `hello`,
			400, `{"messages":1,"stored":0,"errors":[{"index":0,"line":1,"code":"bad_json","error":"not JSON: at byte 0: a value is expected","retry":false}]}`,
		},
		{
			"a message that is too large", "", `{"id":1,"data":"` + strings.Repeat("x", 200) + `"}`,
			400, `{"messages":1,"stored":0,"errors":[{"index":0,"line":1,"code":"bad_message","error":"the message is larger than max_message_size","retry":false,"id":1}]}`,
		},
		{
			"one that can never fit", "", `{"id":"never"}`,
			400, `{"messages":1,"stored":0,"errors":[{"index":0,"line":1,"code":"bad_message","error":"never fits","retry":false,"id":"never"}]}`,
		},
		{
			"no room", "", `{"id":"full"} {"id":"many"}`,
			429, `{"messages":2,"stored":0,"errors":[{"index":0,"line":1,` + overloaded + `,"id":"full"},{"index":1,"line":1,` + tooMany + `,"id":"many"}]}`,
		},
		{
			"no room, and faults", "", `{"id":"full"} x`,
			429, `{"messages":2,"stored":0,"errors":[{"index":0,"line":1,` + overloaded + `,"id":"full"},` +
				`{"index":1,"line":1,"code":"bad_json","error":"not JSON: at byte 14: a value is expected","retry":false}]}`,
		},
		{
			"a gap", "?client=c", `[{"id":"full","seq":5},{"id":"full","seq":6},{"id":"full"},{"id":"full","seq":5},{"id":1,"seq":6}]`,
			200, `{"messages":5,"stored":1,"errors":[{"index":0,"line":1,` + overloaded + `,"id":"full","seq":5},` +
				`{"index":1,"line":1,"code":"overloaded","error":"an earlier number of this id was refused: send from 5 again","retry":true,"id":"full","seq":6},` +
				`{"index":2,"line":1,` + overloaded + `,"id":"full"},` +
				`{"index":3,"line":1,` + overloaded + `,"id":"full","seq":5}]}`,
		},
		{"done", "", `{"id":9,"seq":1} {"op":"done","id":9} {"op":"done","id":"z"}`, 200, `{"messages":3,"stored":1,"done":[{"id":9,"messages":1},{"id":"z","messages":0}]}`},
		{"only done", "", `{"op":"done","id":9}`, 200, `{"messages":1,"stored":0,"done":[{"id":9,"messages":1}]}`},
		{"flush", "", `{"op":"flush"} {"op":"flush","id":9}`, 200, `{"messages":2,"stored":0}`},
		{"resume", "?client=c", `{"id":"r","seq":41} {"op":"resume","id":"r"} {"op":"resume","id":77}`, 200, `{"messages":3,"stored":1,"resume":[{"id":"r","seq":41},{"id":77,"seq":0}]}`},
		{
			"resume without a name", "", `{"op":"resume","id":"r"}`,
			400, `{"messages":1,"stored":0,"errors":[{"index":0,"line":1,"code":"unsupported","error":"resume needs a client name: post to ?client=NAME","retry":false,"id":"r"}]}`,
		},
		{
			"restore", "", `{"op":"restore","id":"r"}`,
			400, `{"messages":1,"stored":0,"errors":[{"index":0,"line":1,"code":"unknown_op","error":"the op \"restore\" is not known","retry":false,"id":"r"}]}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			got := s.post(c.query, c.body)
			s.want(got, c.status, c.want)
			if !json.Valid([]byte(got.body)) || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s", got.header.Get("Content-Type"), got.body)
			}
			if retry := got.header.Get("Retry-After"); (retry == "1") != (c.status == 429) {
				t.Errorf("Retry-After is %q", retry)
			}
		})
	}
	s.t = t
}

// What is routed is what a websocket would route.
func TestPostedMessage(t *testing.T) {
	s := serveHTTP(t, nil)
	s.want(s.post("?client=c", `{"id":17,"seq":42,"time":"1715050000","code":3,"data":{"a" : 1.0}}`), 200, `{"messages":1,"stored":1}`)
	m := s.router.Messages()[0]
	if m.ID != "17" || m.Seq != 42 || m.Client != "c" || m.Code != 3 || m.Op != "report" || string(m.Data) != `{"a" : 1.0}` ||
		m.Time.Unix() != 1715050000 || m.Received.IsZero() || m.Received.Location() != time.UTC || !strings.HasPrefix(m.Remote, "127.0.0.1:") {
		t.Errorf("routed is %+v", m)
	}
	s.want(s.post("", `{"id":17,"seq":42}`), 200, `{"messages":1,"stored":1}`)
	for _, m := range s.router.Messages() {
		if m.Kind == engine.Report && m.Client == "" && m.Seq != 0 {
			t.Errorf("a nameless client's number is stored: %+v", m)
		}
	}
}

// The streams that a request has touched are flushed at its end, and only those that
// have something outstanding.
func TestRequestFlushesItsStreams(t *testing.T) {
	s := serveHTTP(t, nil)
	s.router.Hold()
	answer := s.posting("", `{"id":1} {"id":2} {"id":1}`)
	s.waitFor("flushes", func(st transporttest.State) bool { return len(st.Messages) == 5 })
	flushed := map[string]bool{}
	for _, m := range s.router.Messages()[3:] {
		flushed[fmt.Sprint(m.Kind, " ", m.ID)] = true
	}
	if !flushed["flush 1"] || !flushed["flush 2"] {
		t.Error(s.routedIDs())
	}
	s.router.Release()
	s.want(s.await(answer), 200, `{"messages":3,"stored":3}`)
	s.router.Inline()
	s.post("", `{"id":3}`)
	if ids := s.routedIDs(); !strings.HasSuffix(ids, ", 3") {
		t.Error("a stream with nothing outstanding is flushed: ", ids)
	}
}

// However many streams there are, few of them are flushed at the same time.
func TestFlushesAreBounded(t *testing.T) {
	s := serveHTTP(t, nil)
	s.router.Hold()
	const n = 3 * maxFlushes
	var body strings.Builder
	for i := range n {
		fmt.Fprintf(&body, "{\"id\":%d}\n", i)
	}
	answer := s.posting("", body.String())
	s.waitFor("as many as may be", func(st transporttest.State) bool { return len(st.Messages) == n+maxFlushes })
	for i := range n { // settling one makes room for one
		s.router.Settle(fmt.Sprint(i), 2, nil)
		if len(s.router.Messages())-n > maxFlushes+i+1 {
			t.Fatalf("%d flushes after %d streams were settled", len(s.router.Messages())-n, i+1)
		}
	}
	s.want(s.await(answer), 200, fmt.Sprintf(`{"messages":%d,"stored":%d}`, n, n))
}

// At the level "spooled" a request is answered before its messages are stored, and
// what becomes of them then is nothing to it; but done waits.
func TestAnsweredWhenSpooled(t *testing.T) {
	s := serveHTTP(t, func(c *HTTPConfig) { c.Ack = AckSpooled })
	s.router.Hold()
	answer := s.posting("", `{"id":1} {"id":2} x`)
	s.waitFor("both", func(st transporttest.State) bool { return len(st.Messages) == 2 })
	s.router.Spool()
	s.router.Spool() // told twice it counts once
	if got := s.await(answer); got.status != 200 || !strings.HasPrefix(got.body, `{"messages":3,"spooled":2,"errors":[{"index":2,`) {
		t.Errorf("answered is %d %s", got.status, got.body)
	}
	s.router.Settle("1", 1, engine.Permanent(errors.New("too late to be told")))
	s.router.Settle("2", 1, nil)

	answer = s.posting("", `{"id":1} {"op":"done","id":1} {"op":"flush"}`)
	s.waitFor("the flush", func(st transporttest.State) bool { return len(st.Messages) == 5 })
	s.router.Spool()
	s.router.Settle("1", 1, engine.ErrUndelivered) // it stays in the spool
	select {
	case got := <-answer:
		t.Fatalf("answered before the stream is done: %s", got.body)
	default:
	}
	s.router.Release()
	s.want(s.await(answer), 200, `{"messages":3,"spooled":1,"done":[{"id":1,"messages":0}]}`)
}

// Errors beyond a bound are counted, and the texts of sinks cut.
func TestErrorsAreBounded(t *testing.T) {
	s := serveHTTP(t, nil)
	s.router.Outcome(func(engine.Message) error { return engine.Permanent(errors.New("no")) })
	got := s.post("", strings.Repeat("{\"id\":1}\n", maxErrors+7))
	var a struct {
		Messages, Stored int
		Errors           []struct{ Index, Line int }
		LeftOut          int `json:"errors_left_out"`
	}
	if err := json.Unmarshal([]byte(got.body), &a); err != nil {
		t.Fatal(err)
	}
	if got.status != 400 || a.Messages != maxErrors+7 || len(a.Errors) != maxErrors || a.LeftOut != 7 ||
		a.Errors[maxErrors-1].Index != maxErrors-1 || a.Errors[maxErrors-1].Line != maxErrors {
		t.Errorf("answered is %d: %d messages, %d errors, %d left out", got.status, a.Messages, len(a.Errors), a.LeftOut)
	}
	s.router.Outcome(func(engine.Message) error { return engine.Permanent(errors.New(strings.Repeat("é", maxErrorText))) })
	if got := s.post("", `{"id":1}`); len(got.body) > maxErrorText+200 || !strings.Contains(got.body, `é..."`) {
		t.Errorf("%d bytes: %s", len(got.body), got.body)
	}
}

// A body of which much is no good is not looked at to its end, and what was taken is
// told exactly.
func TestFaultsAreBounded(t *testing.T) {
	s := serveHTTP(t, nil)
	for name, fault := range map[string]string{"bad_json": "x", "bad_message": "{}", "unknown_op": `{"id":1,"op":"x"}`} {
		body := `{"id":"first"}` + "\n" + strings.Repeat(fault+"\n", maxFaults) + `{"id":"last"}` + "\n"
		before := len(s.router.Messages())
		got := s.post("", body)
		var a struct {
			Messages, Stored int
			Errors           []struct{ Code string }
			Stopped          *struct{ Index, Line int }
		}
		if err := json.Unmarshal([]byte(got.body), &a); err != nil {
			t.Fatal(err)
		}
		if got.status != 200 || a.Messages != maxFaults+1 || a.Stored != 1 || len(a.Errors) != maxFaults || a.Errors[0].Code != name {
			t.Errorf("%s: answered is %d: %d messages, %d stored, %d errors", name, got.status, a.Messages, a.Stored, len(a.Errors))
		}
		if a.Stopped == nil || a.Stopped.Index != maxFaults+1 || a.Stopped.Line != maxFaults+2 {
			t.Errorf("%s: stopped at %+v", name, a.Stopped)
		}
		for _, m := range s.router.Messages()[before:] {
			if m.ID == "last" {
				t.Errorf("%s: what is behind is taken", name)
			}
		}
	}
	if got := s.post("", strings.Repeat("{}\n", maxFaults)); strings.Contains(got.body, "stopped") {
		t.Error("a body is not looked at to its end that has no more faults than it may")
	}
}

// A request may ask for so much and no more.
func TestAskedIsBounded(t *testing.T) {
	s := serveHTTP(t, nil)
	got := s.post("", strings.Repeat(`{"op":"done","id":1}`, maxAsked+2))
	if got.status != 200 || strings.Count(got.body, `"messages":0}`) != maxAsked || strings.Count(got.body, codeUnsupported) != 2 {
		t.Errorf("answered is %d %s", got.status, got.body)
	}
}

// Past a bound, all streams have the gap.
func TestGapsAreBounded(t *testing.T) {
	s := serveHTTP(t, nil)
	s.router.Refuse(func(m engine.Message) error {
		if strings.HasPrefix(m.ID, "x") {
			return engine.ErrOverloaded
		}
		return nil
	})
	var body strings.Builder
	for i := range maxGaps + 1 {
		fmt.Fprintf(&body, "{\"id\":\"x%d\",\"seq\":1}\n", i)
	}
	body.WriteString(`{"id":"free","seq":1} {"id":"free"}`)
	got := s.post("?client=c", body.String())
	if got.status != 200 || !strings.HasPrefix(got.body, fmt.Sprintf(`{"messages":%d,"stored":1,`, maxGaps+3)) {
		t.Errorf("answered is %d %.200s", got.status, got.body)
	}
}

// A request holds no stream: its end ends none. But its done is one for those that
// hold the stream.
func TestRequestsAndHolds(t *testing.T) {
	holds := NewHolds()
	ws := serve(t, func(c *WebSocketConfig) { c.Holds = holds })
	s := serveHTTP(t, func(c *HTTPConfig) { c.Holds = holds })
	c := ws.dial("")
	c.send(`{"id":1,"seq":1} {"id":2,"seq":1}`)
	c.expect(`{"op":"ack","id":1,"seq":1}`, `{"op":"ack","id":2,"seq":1}`)
	s.post("", `{"op":"done","id":1} {"id":3}`)
	_ = c.conn.CloseNow()
	ws.waitGone(0)
	ws.waitFor("the end of 2", func(st transporttest.State) bool {
		return st.Messages[len(st.Messages)-1].Kind == engine.Disconnect
	})
	for _, m := range append(ws.router.Messages(), s.router.Messages()...) {
		if m.Kind == engine.Disconnect && m.ID != "2" {
			t.Errorf("stream %s is ended", m.ID)
		}
	}
}

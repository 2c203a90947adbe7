package transport

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// Every code of the protocol, and after each the connection still works.
func TestEveryErrorCode(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) {
		c.MaxMessageSize = 1 << 10
		c.Authenticate = func(r *http.Request) (who Identity, _ error) {
			if r.URL.Query().Has("bound") {
				who.IDs = []string{"1"}
			}
			return who, nil
		}
	})
	c := s.dial("?client=a")
	seq := 100
	alive := func() {
		t.Helper()
		seq++
		c.send(fmt.Sprintf(`{"id":"alive","seq":%d}`, seq))
		c.expect(fmt.Sprintf(`{"op":"ack","id":"alive","seq":%d}`, seq))
	}
	alive()

	c.send(`{"id":1`)
	c.expectError(codeBadJSON, `"retry":false`)
	alive()
	c.send("{\"id\":1,}\n{\"op\":\"flush\",\"id\":1}")
	c.expectError(codeBadJSON, `"retry":false,"index":0`)
	c.expect(`{"op":"flush","id":1}`)
	alive()
	c.send(`{"id":17,"seq":0}`)
	c.expectError(codeBadMessage, `"retry":false,"id":17`)
	alive()
	c.send(`[{"id":"x"},{"id":"x","seq":5,"code":"1"}]`)
	c.expectError(codeBadMessage, `"retry":false,"id":"x","seq":5,"index":1`)
	alive()
	c.send(`{"op":"delete","id":"17","seq":4}`)
	c.expectError(codeUnknownOp, `"retry":false,"id":"17","seq":4`)
	alive()
	s.router.Outcome(func(m engine.Message) error {
		switch m.ID {
		case "rejected":
			return engine.Permanent(errors.New("column too short"))
		case "conflict":
			return engine.Reject(3, 4, engine.ErrConflict)
		}
		return nil
	})
	c.send(`{"id":"rejected","seq":6}`)
	c.expect(`{"op":"error","code":"rejected","error":"column too short","retry":false,"id":"rejected","seq":6}`)
	alive()
	c.send(`{"id":"rejected"}`)
	c.expectError(codeRejected, `"retry":false,"id":"rejected"`)
	alive()
	c.send(`{"op":"done","id":"rejected"}`)
	c.expectError(codeRejected, `"retry":false,"id":"rejected"`)
	alive()
	c.send(`{"id":"conflict","seq":7}`)
	c.expect(`{"op":"error","code":"conflict","error":"this client already stored something else under this id and seq","retry":false,"id":"conflict","seq":7}`)
	alive()
	s.router.Refuse(func(m engine.Message) error {
		switch m.ID {
		case "many":
			return fmt.Errorf("route: %w", engine.ErrTooManyStreams)
		case "much":
			return engine.ErrOverloaded
		case "malformed":
			return engine.Permanent(errors.New("id is odd"))
		case "unforeseen":
			return errors.New("the disk is gone")
		}
		return nil
	})
	c.send(`{"id":"many","seq":8}`)
	c.expectError(codeTooManyStreams, `"retry":true,"id":"many","seq":8`)
	alive()
	c.send(`{"id":"much"}`)
	c.expectError(codeOverloaded, `"retry":true,"id":"much"`)
	alive()
	c.send(`{"id":"malformed","seq":9}`)
	c.expectError(codeBadMessage, `"retry":false,"id":"malformed","seq":9`)
	alive()
	c.send(`{"id":"unforeseen","seq":9}`)
	c.expectError(codeOverloaded, `"retry":true,"id":"unforeseen","seq":9`)
	alive()
	s.router.Blind()
	c.send(`{"op":"resume","id":1}`)
	c.expectError(codeUnsupported, `"retry":false,"id":1`)
	alive()
	nameless := s.dial("")
	nameless.send(`{"op":"resume","id":1}`)
	nameless.expectError(codeUnsupported, `"retry":false,"id":1`)
	nameless.send(`{"id":1,"seq":1}`)
	nameless.expect(`{"op":"ack","id":1,"seq":1}`)
	bound := s.dial("?bound")
	bound.send(`{"id":2,"seq":1}`)
	bound.expectError(codeForbidden, `"retry":false,"id":2,"seq":1`)
	for code, n := range s.Stats().Errors {
		ofHTTP := code == codeUnavailable || code == codeUndelivered
		if (n == 0) != ofHTTP {
			t.Errorf("%s is counted %d times", code, n)
		}
	}

	// Binary frames say bad_message where a text frame would end the connection.
	if err := c.conn.Write(c.ctx, websocket.MessageBinary, []byte("{\"id\":1,\"data\":\"\xff\"}")); err != nil {
		t.Fatal(err)
	}
	c.expectError(codeBadMessage, `"retry":false,"id":1`)
	alive()
	c.send("{\"id\":1,\"data\":\"\xff\"}")
	c.expectClose(websocket.StatusInvalidFramePayloadData)
	c = s.dial("")
	c.send(`{"id":1,"data":"` + strings.Repeat("x", 1<<10) + `"}`)
	c.expectClose(websocket.StatusMessageTooBig)
}

func TestMessageOfTheGreatestSize(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) { c.MaxMessageSize = 5000 })
	c := s.dial("")
	frame := `{"id":1,"seq":1,"data":"` + strings.Repeat("x", 5000-len(`{"id":1,"seq":1,"data":""}`)) + `"}`
	c.send(frame)
	c.expect(`{"op":"ack","id":1,"seq":1}`)
	for _, more := range []int{1, 1 << 20} {
		c.send(frame + strings.Repeat(" ", more))
		_, err := c.receive()
		var closed websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != websocket.StatusMessageTooBig ||
			closed.Reason != "the frame is larger than max_message_size, 5000B" {
			t.Errorf("%d bytes more: %v", more, err)
		}
		c = s.dial("")
	}
}

func TestControlAnswers(t *testing.T) {
	s := serve(t, nil)
	c := s.dial("?client=a")
	c.send(`{"id":17,"seq":1} {"id":17,"seq":5} {"op":"done","id":"17"}`)
	got := ""
	for !strings.Contains(got, "done") {
		frame, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		got += frame
	}
	// Acks before it may be one or two, and are written as the id was, then.
	if !strings.HasSuffix(got, `"seq":5}{"op":"done","id":"17","messages":2}`) {
		t.Error(got)
	}
	c.send(`{"op":"done","id":17,"seq":6,"code":-1,"data":{"why":"again"}}`)
	c.expect(`{"op":"ack","id":17,"seq":6}`, `{"op":"done","id":17,"messages":2}`)
	c.send(`{"op":"resume","id":17}`)
	c.expect(`{"op":"resume","id":17,"seq":5}`)
	c.send(`{"op":"resume","id":"new"}`)
	c.expect(`{"op":"resume","id":"new","seq":0}`)
	c.send(`{"op":"flush","id":"new"}`)
	c.expect(`{"op":"flush","id":"new"}`)
	c.send(`{"op":"flush"}`)
	c.expect(`{"op":"flush"}`)
	s.router.Blind()
	c.send(`{"op":"done","id":17}`)
	c.expect(`{"op":"done","id":17}`)

	ms := s.router.Messages()
	m := ms[3]
	if m.Kind != engine.Done || m.Code != -1 || string(m.Data) != `{"why":"again"}` || m.Seq != 6 {
		t.Errorf("done is %+v", m)
	}
	if m := ms[0]; m.Seq != 1 || m.Tag != 1 || m.Time != m.Received || string(m.Data) != "null" {
		t.Errorf("report is %+v", m)
	}
}

func TestNamelessNumbersAreTags(t *testing.T) {
	s := serve(t, nil)
	c := s.dial("")
	c.send(`{"id":1,"seq":7}`)
	c.expect(`{"op":"ack","id":1,"seq":7}`)
	if m := s.router.Messages()[0]; m.Seq != 0 || m.Tag != 7 || m.Client != "" {
		t.Errorf("%+v", m)
	}
}

func TestUnnumberedHearNothing(t *testing.T) {
	s := serve(t, nil)
	c := s.dial("?client=a")
	c.send(`{"id":1} {"id":2} {"id":1}`)
	s.waitFor("settlement", func(st transporttest.State) bool { return len(st.Messages) == 3 && st.Pending == 0 })
	c.send(`{"op":"flush"}`)
	c.expect(`{"op":"flush"}`)
}

func TestFlushOfEverything(t *testing.T) {
	s := serve(t, nil)
	s.router.Hold()
	c := s.dial("")
	c.send(`{"id":1,"seq":1} {"id":2,"seq":1} {"op":"flush"} {"op":"flush","id":3} {"op":"flush"}`)
	s.waitMessages(8) // the second flush of everything finds three streams
	s.router.Settle("3", 9, nil)
	c.expect(`{"op":"flush","id":3}`)
	s.router.Settle("2", 9, nil)
	c.expect(`{"op":"ack","id":2,"seq":1}`)
	s.router.Settle("1", 2, nil)
	c.expect(`{"op":"ack","id":1,"seq":1}`, `{"op":"flush"}`)
	s.router.Settle("1", 9, nil)
	c.expect(`{"op":"flush"}`)
}

func TestUndeliveredIsNotAnswered(t *testing.T) {
	s := serve(t, nil)
	s.router.Hold()
	c := s.dial("?client=a")
	c.send(`{"id":1,"seq":1} {"op":"done","id":1} {"id":2,"seq":1} {"op":"flush"}`)
	s.waitMessages(5)
	s.router.Settle("1", 9, engine.ErrUndelivered)
	s.router.Settle("2", 1, nil)
	c.expect(`{"op":"ack","id":2,"seq":1}`)
	s.router.Settle("2", 9, engine.ErrUndelivered)
	c.send(`{"op":"flush","id":2}`)
	s.waitMessages(6)
	s.router.Settle("2", 9, nil)
	c.expect(`{"op":"flush","id":2}`)
}

// An error must come before the ack that covers it, however acks are raised while
// they wait.
func TestErrorsComeBeforeTheirAck(t *testing.T) {
	s := serve(t, nil)
	s.router.Hold()
	c := s.dial("?client=a")
	c.send(`{"id":1,"seq":1} {"id":1,"seq":2} {"id":1,"seq":3} {"id":1,"seq":4}`)
	s.waitMessages(4)
	var one *conn
	s.mu.Lock()
	for one = range s.conns {
	}
	s.mu.Unlock()
	one.mu.Lock()
	one.writing = true // nothing is sent for now
	one.mu.Unlock()
	s.router.Settle("1", 1, nil)
	s.router.Settle("1", 1, engine.Permanent(errors.New("no")))
	s.router.Settle("1", 1, nil)
	s.router.Settle("1", 1, nil)
	one.mu.Lock()
	one.writing = false
	one.startWriter()
	one.mu.Unlock()
	c.expect(`{"op":"ack","id":1,"seq":1}`,
		`{"op":"error","code":"rejected","error":"no","retry":false,"id":1,"seq":2}`,
		`{"op":"ack","id":1,"seq":4}`)
}

func TestSpooledAcks(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) { c.Ack = AckSpooled })
	s.router.Hold()
	c := s.dial("?client=a")
	c.send(`{"id":1,"seq":1} {"id":2,"seq":9} {"id":1,"seq":2} {"id":3}`)
	s.waitMessages(4)
	s.router.Spool()
	c.expect(`{"op":"ack","id":1,"seq":2}`, `{"op":"ack","id":2,"seq":9}`)
	s.router.Settle("1", 1, nil)
	s.router.Settle("1", 1, engine.Permanent(errors.New("no")))
	c.expect(`{"op":"error","code":"rejected","error":"no","retry":false,"id":1,"seq":2}`)
}

// After a retry error, later numbers of that id get the same until that number or
// a lower one comes.
func TestGap(t *testing.T) {
	s := serve(t, nil)
	c := s.dial("?client=a")
	full := true
	s.router.Refuse(func(m engine.Message) error {
		if full && m.ID == "1" {
			return engine.ErrOverloaded
		}
		return nil
	})
	c.send(`{"id":1,"seq":5}`)
	c.expectError(codeOverloaded, `"retry":true,"id":1,"seq":5`)
	s.router.Refuse(nil)
	c.send(`[{"id":1,"seq":6},{"op":"done","id":1,"seq":7},{"id":2,"seq":6}]`)
	c.expectError(codeOverloaded, `"retry":true,"id":1,"seq":6,"index":0`)
	c.expectError(codeOverloaded, `"retry":true,"id":1,"seq":7,"index":1`)
	c.expect(`{"op":"ack","id":2,"seq":6}`)
	c.send(`{"id":1} {"id":1,"seq":5} {"id":1,"seq":6}`)
	for frame := ""; frame != `{"op":"ack","id":1,"seq":6}`; {
		var err error
		if frame, err = c.receive(); err != nil || strings.Contains(frame, "error") {
			t.Fatal(frame, err)
		}
	}
	if n := len(s.router.Messages()); n != 4 {
		t.Errorf("%d messages were routed, want 4", n)
	}
}

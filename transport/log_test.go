package transport

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/engine"
)

// logged is what a log was told.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serveLogged serves with a log of the given level, and gives what it is told.
func serveLogged(t *testing.T, level hclog.Level) (*server, *logged) {
	t.Helper()
	log := &logged{}
	s := serve(t, func(c *WebSocketConfig) {
		c.Logger = hclog.New(&hclog.LoggerOptions{Level: level, Output: log, DisableTime: true})
	})
	return s, log
}

func (s *server) waitLogged(log *logged, want string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%s in the log:\n%s", want, log), func() bool { return strings.Contains(log.String(), want) })
}

func TestClientsAreLogged(t *testing.T) {
	s, log := serveLogged(t, hclog.Trace)
	c := s.dial("?client=a%0Ab")
	c.send(`{"id":1,"seq":7}`)
	c.expect(`{"op":"ack","id":1,"seq":7}`)
	c.send(`{"id":"x\ny","op":"no\nsuch","seq":8}`)
	c.expectError(codeUnknownOp, `"retry":false,"id":"x\ny","seq":8`)
	_ = c.conn.Close(websocket.StatusNormalClosure, "bye\nbye")
	s.waitLogged(log, "connection closed")
	for _, want := range []string{
		"[DEBUG] connection opened: remote=127.0.0.1:", ` client="a\nb"` + "\n",
		`[TRACE] error answer: remote=127.0.0.1:`, `code=unknown_op error="`, ` id="x\ny" seq=8` + "\n",
		"[DEBUG] connection closed: remote=127.0.0.1:",
		` client="a\nb" by=client code=1000 reason="bye\nbye" messages=1` + "\n",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in the log", want)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 4 { // and that messages are answered with errors
		t.Errorf("%d lines, want 4", n)
	}
	if t.Failed() {
		t.Log("the log: ", log)
	}
}

func TestEndsAreLogged(t *testing.T) {
	s, log := serveLogged(t, hclog.Trace)
	c := s.dial("")
	c.send("\xff")
	c.expectClose(websocket.StatusInvalidFramePayloadData)
	s.waitLogged(log, ` client="" by=server code=1007 reason="text that is not UTF-8" messages=0`)
	_ = s.dial("").conn.CloseNow()
	s.waitLogged(log, " by=network code=0 reason=")
	s.router.Outcome(func(engine.Message) error { return engine.Permanent(engine.ErrConflict) })
	c = s.dial("")
	c.send(`{"id":"1","seq":3}`)
	c.expectError(codeConflict, `"retry":false,"id":"1","seq":3`)
	s.waitLogged(log, "code=conflict ")
	s.drain()
	c.expectClose(websocket.StatusGoingAway)
	s.waitServed()
	s.waitLogged(log, ` by=server code=1001 reason="the server is shutting down" messages=1`)
}

func TestRefusedHandshakesAreLogged(t *testing.T) {
	s, log := serveLogged(t, hclog.Debug)
	base := strings.Replace(s.URL(), "ws://", "http://", 1)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, query := range []string{"?client=", "", "x"} {
		resp, err := client.Get(base + query)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	_, resp, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://evil.example"}}})
	if err == nil || resp == nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`path="/ws" status=400 reason="client is empty`, `path="/ws" status=426 reason="`,
		`path="/wsx" status=404 reason="`, `path="/ws" status=403 reason="`,
	} {
		s.waitLogged(log, want)
	}
}

// At the level of a production log there is one line, however many are turned
// away, and none for anything else.
func TestTurnedAwayIsWarned(t *testing.T) {
	s, log := serveLogged(t, hclog.Info)
	s.router.Refuse(func(m engine.Message) error {
		if m.ID == "many" {
			return engine.ErrTooManyStreams
		}
		return engine.ErrOverloaded
	})
	c := s.dial("")
	for range 3 {
		c.send(`{"id":"many"}`)
		c.expectError(codeTooManyStreams, `"retry":true,"id":"many"`)
		c.send(`{"id":"much"}`)
		c.expectError(codeOverloaded, `"retry":true,"id":"much"`)
	}
	s.drain()
	s.waitServed()
	s.ServeHTTP(newRecorder(), upgradeRequest())
	want := `[WARN]  senders are turned away: reason=too_many_streams count=1
[WARN]  senders are turned away: reason=overloaded count=1
[WARN]  senders are turned away: reason=unavailable count=1
`
	if log.String() != want {
		t.Errorf("logged:\n%swant:\n%s", log, want)
	}
}

// Whoever sends what is not taken makes a line, and then one each ten seconds at
// most, with how many there were and the newest. What a sink refuses is told by the
// engine.
func TestFaultsAreToldSeldom(t *testing.T) {
	log := &logged{}
	w := warner{to: hclog.New(&hclog.LoggerOptions{Output: log, DisableTime: true})}
	now := time.Now()
	for i := range 1000 {
		w.notAccepted("192.0.2.1:9", "a\nb", &failure{code: codeBadMessage, text: "no\nid", id: wireID{id: "x\ny"}, seq: int64(i)})
		w.tellAll(now.Add(faultPace - time.Second))
	}
	w.tellAll(now.Add(faultPace + time.Minute))
	w.tellAll(now.Add(3 * faultPace))
	const line = `[INFO]  messages are answered with errors: count=%d remote=192.0.2.1:9 client="a\nb" code=bad_message error="no\nid" id="x\ny" seq=%d` + "\n"
	if want := fmt.Sprintf(line, 1, 0) + fmt.Sprintf(line, 999, 999); log.String() != want {
		t.Errorf("logged:\n%swant:\n%s", log, want)
	}
}

// It is so of all that a client sends, by every way in; of what is stored and of
// what a sink refuses there is no line.
func TestFaultsOfClients(t *testing.T) {
	s, log := serveLogged(t, hclog.Info)
	s.router.Outcome(func(m engine.Message) error {
		if m.ID == "refused" {
			return engine.Permanent(errors.New("too long"))
		}
		return nil
	})
	c := s.dial("?client=me")
	c.send(`{"id":"stored","seq":1}`)
	c.expect(`{"op":"ack","id":"stored","seq":1}`)
	c.send(`{"id":"refused","seq":1}`)
	c.expectError(codeRejected, `"retry":false,"id":"refused","seq":1`)
	if log.String() != "" {
		t.Error(log)
	}
	for range 20 {
		c.send(`{"id":"17","op":"no such","seq":8}`)
		c.expectError(codeUnknownOp, `"retry":false,"id":"17","seq":8`)
	}
	if text := log.String(); strings.Count(text, "\n") != 1 ||
		!strings.Contains(text, "[INFO]  messages are answered with errors: count=1 remote=127.0.0.1:") ||
		!strings.Contains(text, ` client="me" code=unknown_op error="`) || !strings.Contains(text, ` id="17" seq=8`) {
		t.Error(text)
	}
}

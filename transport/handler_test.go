package transport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
)

func TestHandlers(t *testing.T) {
	late := make(chan func([]byte) error, 1)
	s := serve(t, func(c *WebSocketConfig) {
		c.Ops = []string{"report", "progress"}
		c.Handlers = map[string]Handler{
			"hello": func(_ context.Context, op Op) error {
				return op.Reply(fmt.Appendf(nil, `{"hello":%q,"id":%q,"seq":%d,"len":%d}`, op.Name, op.ID, op.Seq, len(op.Frame)))
			},
			"later":    func(_ context.Context, op Op) error { late <- op.Reply; return nil },
			"garbage":  func(_ context.Context, op Op) error { return op.Reply([]byte(`{} {}`)) },
			"panic":    func(context.Context, Op) error { panic("oh no") },
			"error":    func(context.Context, Op) error { return errors.New("not today") },
			"overload": func(context.Context, Op) error { return fmt.Errorf("here: %w", engine.ErrOverloaded) },
			"many": func(_ context.Context, op Op) error {
				for range 3 * maxAnswers {
					if err := op.Reply([]byte(`{"n":1}`)); err != nil {
						return err
					}
				}
				return nil
			},
			"wait": func(ctx context.Context, op Op) error { <-ctx.Done(); return ctx.Err() },
		}
	})
	c := s.dial("?client=a")
	c.send(`{"op":"hello"} {"op":"hello","id":17,"seq":3}`)
	c.expect(`{"hello":"hello","id":"","seq":0,"len":14}`, `{"hello":"hello","id":"17","seq":3,"len":30}`)
	c.send(`{"op":"panic","id":1,"seq":2}`)
	c.expectError(codeBadMessage, `"retry":false,"id":1,"seq":2`)
	c.send(`{"op":"error"}`)
	c.expect(`{"op":"error","code":"bad_message","error":"not today","retry":false}`)
	c.send(`{"op":"overload"}`)
	c.expectError(codeOverloaded, `"retry":true`)
	c.send(`{"op":"garbage"}`)
	c.expectError(codeBadMessage, `"retry":false`)
	c.send(`{"op":"many"}`)
	c.expect(strings.Split(strings.Repeat(`{"n":1} `, 3*maxAnswers), " ")[:3*maxAnswers]...)
	c.send(`{"op":"progress","id":1,"seq":1}`)
	c.expect(`{"op":"ack","id":1,"seq":1}`)
	if m := s.router.Messages()[0]; m.Op != "progress" || m.Kind != engine.Report {
		t.Errorf("%+v", m)
	}
	c.send(`{"op":"later"}`)
	reply := <-late
	if err := reply([]byte(`{"late":true}`)); err != nil {
		t.Error(err)
	}
	c.expect(`{"late":true}`)
	c.send(`{"op":"wait"}`)
	s.startDrain()
	c.expectClose(websocket.StatusGoingAway)
	s.waitServed()
	if err := reply([]byte(`{}`)); err == nil {
		t.Error("a reply after the end")
	}
}

// Everything of one connection is served in its order.
func TestHandlersInOrder(t *testing.T) {
	var s *server
	seen := make(chan int, 100)
	s = serve(t, func(c *WebSocketConfig) {
		c.Handlers = map[string]Handler{"mark": func(context.Context, Op) error {
			seen <- len(s.router.Messages())
			return nil
		}}
	})
	c := s.dial("")
	c.send(`{"id":1} {"op":"mark"} {"id":2} {"id":3} {"op":"mark"}`)
	if a, b := <-seen, <-seen; a != 1 || b != 3 {
		t.Error(a, b)
	}
}

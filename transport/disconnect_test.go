package transport

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport/transporttest"
)

func kinds(ms []engine.Message) string {
	text := ""
	for _, m := range ms {
		text += fmt.Sprintf("%v %s, ", m.Kind, m.ID)
	}
	return text
}

func TestDisconnectEndsStreams(t *testing.T) {
	s := serve(t, nil)
	s.router.Hold()
	c := s.dial("")
	c.send(`{"id":1} {"id":1} {"op":"flush","id":2}`)
	s.waitMessages(3)
	_ = c.conn.CloseNow() // as when the cable is pulled
	s.waitMessages(5)
	s.waitGone(0)
	var ended, flushed bool
	for _, m := range s.router.Messages()[3:] {
		ended = ended || m.Kind == engine.Disconnect && m.ID == "1"
		flushed = flushed || m.Kind == engine.Flush && m.ID == "2" // it sent no message to 2
	}
	if !ended || !flushed || len(s.router.Messages()) != 5 {
		t.Error(kinds(s.router.Messages()))
	}
	if n := s.Stats().Held; n != 0 {
		t.Errorf("%d streams are held", n)
	}
}

func TestDisconnectAfterDoneEndsNothing(t *testing.T) {
	s := serve(t, nil)
	c := s.dial("")
	c.send(`{"id":1} {"op":"done","id":1} {"id":2} {"op":"done","id":2} {"id":2}`)
	c.expect(`{"op":"done","id":1,"messages":1}`, `{"op":"done","id":2,"messages":1}`)
	s.waitFor("settlement", func(st transporttest.State) bool { return len(st.Messages) == 5 && st.Pending == 0 })
	_ = c.conn.Close(websocket.StatusNormalClosure, "")
	s.waitMessages(6)
	s.waitGone(0)
	if ms := s.router.Messages(); len(ms) != 6 || ms[5].Kind != engine.Disconnect || ms[5].ID != "2" {
		t.Error(kinds(ms))
	}
}

func TestDoneOfAnotherConnection(t *testing.T) {
	s := serve(t, nil)
	a, b := s.dial(""), s.dial("")
	a.send(`{"id":1} {"op":"flush","id":1}`)
	s.waitMessages(2) // so the report has been taken, and not only begun
	b.send(`{"op":"done","id":1}`)
	b.expect(`{"op":"done","id":1,"messages":1}`)
	_ = a.conn.CloseNow()
	s.waitGone(1)
	_ = b.conn.CloseNow()
	s.waitGone(0)
	if ms := s.router.Messages(); len(ms) != 3 {
		t.Error(kinds(ms))
	}
}

func TestAnotherSenderKeepsTheStreamOpen(t *testing.T) {
	holds := NewHolds()
	s1 := serve(t, func(c *WebSocketConfig) { c.Holds = holds })
	s2 := serve(t, func(c *WebSocketConfig) { c.Holds = holds })
	a, b := s1.dial(""), s2.dial("")
	a.send(`{"id":1} {"id":2}`)
	b.send(`{"id":1}`)
	s1.waitMessages(2)
	s2.waitMessages(1)
	s1.waitFor("settlement", func(st transporttest.State) bool { return st.Pending == 0 })
	_ = a.conn.CloseNow()
	s1.waitMessages(3)
	s1.waitGone(0)
	if ms := s1.router.Messages(); len(ms) != 3 || ms[2].Kind != engine.Disconnect || ms[2].ID != "2" {
		t.Error(kinds(ms))
	}
	_ = b.conn.CloseNow()
	if ms := s2.waitMessages(2); ms[1].Kind != engine.Disconnect || ms[1].ID != "1" {
		t.Error(kinds(ms))
	}
}

// What was never taken is not ended: its sender has no stream here, and max_streams
// would bound nothing if every refused id left an end behind.
func TestDisconnectEndsNothingThatWasRefused(t *testing.T) {
	s := serve(t, nil)
	s.router.Refuse(func(m engine.Message) error {
		if m.Kind == engine.Report {
			return engine.ErrTooManyStreams
		}
		return nil
	})
	c := s.dial("")
	c.send(`{"id":1,"seq":7}`)
	c.expectError(codeTooManyStreams, `"retry":true,"id":1,"seq":7`)
	_ = c.conn.CloseNow()
	s.waitGone(0)
	if ms := s.router.Messages(); len(ms) != 0 {
		t.Error(kinds(ms))
	}
	if n := s.Stats().Held; n != 0 {
		t.Errorf("%d streams are held", n)
	}
}

func TestDisconnectKeep(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) { c.OnDisconnect = DisconnectKeep })
	s.router.Hold()
	c := s.dial("")
	c.send(`{"id":1}`)
	s.waitMessages(1)
	_ = c.conn.CloseNow()
	if ms := s.waitMessages(2); ms[1].Kind != engine.Flush || ms[1].ID != "1" {
		t.Error(kinds(ms))
	}
	s.waitGone(0)
	if n := len(s.router.Messages()); n != 2 {
		t.Errorf("%d messages", n)
	}
}

func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipe(t, func(c *WebSocketConfig) {
			c.DisconnectGrace = 10 * time.Second
			c.PingInterval = 0
		})
		s.router.Hold()
		start := time.Now()
		a := s.dial("")
		a.send(`{"id":1} {"id":2}`)
		s.waitMessages(2)
		_ = a.conn.CloseNow()
		s.waitMessages(4)
		synctest.Wait()
		if ms := s.router.Messages(); len(ms) != 4 || ms[2].Kind != engine.Flush || ms[3].Kind != engine.Flush {
			t.Fatal(kinds(ms))
		}
		time.Sleep(9 * time.Second)
		b := s.dial("")
		b.send(`{"id":2}`)
		ms := s.waitMessages(6)
		if ms[4].ID != "2" || ms[5].Kind != engine.Disconnect || ms[5].ID != "1" {
			t.Error(kinds(ms))
		}
		if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("after %v", d)
		}
		time.Sleep(30 * time.Second)
		if n := len(s.router.Messages()); n != 6 {
			t.Errorf("%d messages", n)
		}
		// What is in its grace when a drain begins stays open.
		_ = b.conn.CloseNow()
		s.waitMessages(7)
		s.router.Release()
		s.drain()
		s.waitServed()
		if ms := s.router.Messages(); len(ms) != 7 || ms[6].Kind != engine.Flush {
			t.Error(kinds(ms))
		}
		if n := s.Stats().Held; n != 0 {
			t.Errorf("%d streams are held", n)
		}
	})
}

func TestTooManyInTheirGraceEndEarly(t *testing.T) {
	var g graces
	now := time.Unix(0, 0)
	for i := range maxLeaving {
		if _, full := g.add(leaving{gen: uint64(i), at: now}); full {
			t.Fatal("full at ", i)
		}
	}
	if early, full := g.add(leaving{gen: maxLeaving, at: now}); !full || early.gen != 0 {
		t.Error(early, full)
	}
	for i := 1; i <= maxLeaving; i++ {
		if l, ok := g.due(now); !ok || l.gen != uint64(i) {
			t.Fatal(i, l, ok)
		}
	}
	if _, ok := g.due(now); ok {
		t.Error("one more")
	}
}

package transport

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/ingestd/ingestd/engine"
)

// Where there is a spool a sink may be away for days. What the router keeps of a
// connection that is gone meanwhile is not the connection.
func TestConnectionsThatAreGoneAreForgotten(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) { c.OnDisconnect = DisconnectKeep })
	s.router.Hold()
	c := s.dial("")
	c.send(`{"id":1,"seq":1} {"op":"flush"}`)
	s.waitMessages(2)
	s.mu.Lock()
	var gone weak.Pointer[conn]
	for c := range s.conns {
		gone = weak.Make(c)
	}
	s.mu.Unlock()
	_ = c.conn.CloseNow()
	s.waitMessages(3) // the flush of what it has sent
	for end := time.Now().Add(patience); gone.Value() != nil; runtime.Gosched() {
		if runtime.GC(); time.Now().After(end) {
			t.Fatal("a connection is kept by the messages that it has sent")
		}
	}
	s.router.Settle("1", 1, nil)
	s.router.Settle("1", 1, engine.ErrConflict)
	s.router.Release()
}

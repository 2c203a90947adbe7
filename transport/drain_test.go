package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
)

// startDrain begins the drain and waits until the server knows.
func (s *server) startDrain() {
	s.t.Helper()
	s.drain()
	s.eventually("the drain", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.draining
	})
}

func TestDrainTellsEverything(t *testing.T) {
	s := serve(t, nil)
	idle := s.dial("")
	busy := s.dial("?client=a")
	vanished := s.dial("")
	s.router.Hold()
	busy.send(`{"id":1,"seq":1} {"id":2,"seq":1} {"op":"done","id":1}`)
	s.waitMessages(3)
	vanished.send(`{"id":3,"seq":1}`)
	s.waitMessages(4)
	s.startDrain()
	idle.expectClose(websocket.StatusGoingAway)
	_ = vanished.conn.CloseNow()
	busy.send(`{"id":1,"seq":2}`) // read, and not routed
	s.waitGone(1)
	select {
	case err := <-s.served:
		t.Fatal("Serve returned with messages outstanding: ", err)
	default:
	}
	s.router.Settle("1", 1, nil)
	busy.expect(`{"op":"ack","id":1,"seq":1}`)
	s.router.Settle("2", 1, engine.Permanent(errors.New("no")))
	busy.expect(`{"op":"error","code":"rejected","error":"no","retry":false,"id":2,"seq":1}`)
	s.router.Settle("1", 1, nil)
	busy.expect(`{"op":"done","id":1,"messages":1}`)
	busy.expectClose(websocket.StatusGoingAway)
	s.waitServed()
	if ms := s.router.Messages(); len(ms) != 4 {
		t.Error(kinds(ms)) // nothing was marked done
	}
	if n := s.Stats().Held; n != 0 {
		t.Errorf("%d streams are held", n)
	}
}

func TestDrainWhileRouteBlocks(t *testing.T) {
	s := serve(t, nil)
	c := s.dial("")
	s.router.Block()
	c.send(`{"id":1,"seq":1} {"id":2,"seq":1}`)
	s.eventually("Route to block", func() bool { return s.router.Blocked() == 1 })
	s.startDrain()
	c.expectClose(websocket.StatusGoingAway)
	s.waitServed()
	if n := len(s.router.Messages()); n != 0 {
		t.Errorf("%d messages were routed", n)
	}
}

func TestDrainAfterTheEngineClosed(t *testing.T) {
	s := serve(t, nil)
	c := s.dial("?client=a")
	s.router.Close()
	c.send(`{"id":1,"seq":1} {"op":"done","id":1} {"op":"flush"} {"op":"resume","id":1}`)
	c.send(`{"id":1,"seq":2}`)
	s.drain()
	c.expectClose(websocket.StatusGoingAway)
	s.waitServed()
}

// A client that goes on sending is not read at full speed, only to drop it: the
// drain needs the time.
func TestDrainWithAFlood(t *testing.T) {
	s := serve(t, nil)
	s.router.Hold()
	c := s.dial("")
	c.send(`{"id":1,"seq":1}`)
	s.waitMessages(1)
	s.startDrain()
	before := s.Stats().Frames
	start := time.Now()
	for range 200 {
		c.send(`{"id":1}`)
	}
	s.eventually("some of it", func() bool { return s.Stats().Frames >= before+3 })
	if took := time.Since(start); took < 2*droppedPace {
		t.Errorf("3 frames were read within %v", took)
	}
	s.router.Release()
	c.expect(`{"op":"ack","id":1,"seq":1}`)
	c.expectClose(websocket.StatusGoingAway)
	s.waitServed()
	if ms := s.router.Messages(); len(ms) != 1 {
		t.Error(kinds(ms))
	}
}

// Silent and slow clients are given their seconds at the same time.
func TestDrainWithSilentClients(t *testing.T) {
	s := serve(t, nil)
	for range 20 {
		c := s.dial("")
		c.send(`{"id":1,"seq":1}`) // and it never reads, so it never closes
	}
	s.waitMessages(20)
	start := time.Now()
	s.drain()
	s.waitServed()
	if d := time.Since(start); d > goodbye+2*time.Second {
		t.Errorf("the drain took %v", d)
	}
}

func TestDrainWithHalfARequest(t *testing.T) {
	s := serve(t, nil)
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte("GET /ws HTTP/1.1\r\n")); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	s.drain()
	s.waitServed()
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("the drain took %v", d)
	}
}

func TestNoConnectionsBeforeAndAfter(t *testing.T) {
	w, err := ListenWebSocket(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	rec := newRecorder()
	w.ServeHTTP(rec, upgradeRequest())
	if rec.status != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
		t.Errorf("before: %d", rec.status)
	}
	s := serveThis(t, w)
	c := s.dial("")
	s.router.Hold()
	c.send(`{"id":1}`)
	s.waitMessages(1)
	s.startDrain()
	rec = newRecorder()
	w.ServeHTTP(rec, upgradeRequest())
	if rec.status != http.StatusServiceUnavailable {
		t.Errorf("in the drain: %d", rec.status)
	}
	s.router.Release()
	c.expectClose(websocket.StatusGoingAway)
	s.waitServed()
	if err := w.Serve(context.Background(), s.router); err == nil {
		t.Error("served twice")
	}
}

func TestServeReturnsWhatStopsIt(t *testing.T) {
	w, err := ListenWebSocket(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	s := serveThis(t, w)
	c := s.dial("?client=a")
	s.router.Hold()
	c.send(`{"id":1,"seq":1}`)
	s.waitMessages(1)
	_ = w.gate.listener.Close()
	s.eventually("the drain", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.draining
	})
	s.router.Release()
	c.expect(`{"op":"ack","id":1,"seq":1}`)
	c.expectClose(websocket.StatusGoingAway)
	if err := <-s.served; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	s.served <- nil
}

// Connecting and disconnecting, cleanly and not, with messages under way.
func TestChurn(t *testing.T) {
	s := serve(t, nil)
	const workers, rounds = 8, 40
	done := make(chan error, workers)
	for i := range workers {
		go func() {
			done <- func() error {
				for j := range rounds {
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					c, _, err := websocket.Dial(ctx, s.URL(), nil)
					if err == nil {
						err = c.Write(ctx, websocket.MessageText, []byte(`[{"id":1,"seq":1},{"id":2},{"op":"done","id":3}]`))
					}
					if err == nil && j%3 == 0 {
						_, _, err = c.Read(ctx)
					}
					if err == nil && (i+j)%2 == 0 {
						err = c.Close(websocket.StatusNormalClosure, "")
					} else if c != nil {
						_ = c.CloseNow()
					}
					cancel()
					if err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	// A client is let in before the server has it in its table, and may be gone by then.
	s.eventually("all connections", func() bool { return s.Stats().Accepted == workers*rounds })
	s.waitGone(0)
	if n := s.Stats().Held; n != 0 {
		t.Errorf("%d streams are held", n)
	}
	s.drain()
	s.waitServed()
}

package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// A client that does not read its answers is cut after the write timeout, and
// until then nothing more is read from it than a bounded number of messages.
func TestSlowReaderIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipe(t, func(c *WebSocketConfig) { c.WriteTimeout = 7 * time.Second })
		c, other := s.dial(""), s.dial("")
		start := time.Now()
		c.send(strings.Repeat("?\n", 100_000))
		synctest.Wait()
		if n := s.Stats().Errors[codeBadJSON]; n < maxAnswers || n > 2*maxAnswers+burst/50 {
			t.Errorf("%d answers are queued", n)
		}
		other.send(`{"id":1,"seq":1}`)
		other.expect(`{"op":"ack","id":1,"seq":1}`)
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if st := s.Stats(); st.CutSlow != 1 || st.Connections != 1 {
			t.Errorf("after %v: %+v", time.Since(start), st)
		}
	})
}

// Settled never waits for the client.
func TestSlowReaderDoesNotHoldBackSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipe(t, func(*WebSocketConfig) {})
		s.router.Hold()
		c := s.dial("?client=a")
		for i := range 2000 {
			c.send(fmt.Sprintf(`{"id":%d,"seq":1}`, i))
		}
		s.waitMessages(2000)
		start := time.Now()
		for i := range 2000 {
			s.router.Settle(fmt.Sprint(i), 1, engine.Permanent(errors.New("no")))
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("it took %v", d)
		}
		for range 2000 { // not cut: it reads now
			if frame, err := c.receive(); err != nil || !strings.Contains(frame, codeRejected) {
				t.Fatal(frame, err)
			}
		}
	})
}

// Control requests that are not settled are bounded.
func TestControlsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipe(t, func(*WebSocketConfig) {})
		s.router.Hold()
		c := s.dial("?client=a")
		go func() { c.send(strings.Repeat(`{"op":"resume","id":1}`, 3*maxControls)) }()
		synctest.Wait()
		if n := len(s.router.Messages()); n != maxControls {
			t.Errorf("%d requests are outstanding, want %d", n, maxControls)
		}
		go s.router.Release()
		for range 3 * maxControls {
			c.expect(`{"op":"resume","id":1,"seq":0}`)
		}
	})
}

// A client that sends and is answered for long keeps its queue, and its order.
func TestAcksUnderLoad(t *testing.T) {
	s := serve(t, nil)
	c := s.dial("?client=a")
	const n, ids = 20_000, 50
	go func() {
		for i := range n {
			if i%10 == 0 {
				c.send(fmt.Sprintf(`[{"id":%d,"seq":%d},{"op":"nope","id":%[1]d,"seq":%d}]`, i%ids, 2*i+1, 2*i+2))
			} else {
				c.send(fmt.Sprintf(`{"id":%d,"seq":%d}`, i%ids, 2*i+1))
			}
		}
		c.send(`{"op":"flush"}`)
	}()
	last := make(map[string]int64)
	for frame := ""; frame != `{"op":"flush"}`; {
		var err error
		if frame, err = c.receive(); err != nil {
			t.Fatal(err)
		}
		var id string
		var seq int64
		if _, err := fmt.Sscanf(frame, `{"op":"ack","id":%s`, &id); err == nil {
			id, _, _ = strings.Cut(id, ",")
			_, number, _ := strings.Cut(frame, `"seq":`)
			_, _ = fmt.Sscan(strings.TrimSuffix(number, "}"), &seq)
			if seq <= last[id] {
				t.Fatalf("ack %d of %s after %d", seq, id, last[id])
			}
			last[id] = seq
		}
	}
	for i := n - ids; i < n; i++ {
		if got := last[fmt.Sprint(i%ids)]; got != int64(2*i+1) {
			t.Errorf("last ack of %d is %d, want %d", i%ids, got, 2*i+1)
		}
	}
}

func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipe(t, func(c *WebSocketConfig) {
			c.PingInterval, c.PingTimeout = 25*time.Second, 10*time.Second
		})
		alive := s.dial("")
		go func() { _, _, _ = alive.conn.Read(alive.ctx) }() // it answers pings
		silent := s.dial("")
		pings := silent.silence()
		time.Sleep(24 * time.Second)
		synctest.Wait()
		if st := s.Stats(); st.Connections != 2 {
			t.Fatal("cut before it was pinged")
		}
		time.Sleep(13 * time.Second)
		synctest.Wait()
		if st := s.Stats(); st.Connections != 1 || st.CutSilent != 1 {
			t.Errorf("%+v", st)
		}
		if n := <-pings; n == 0 {
			t.Error("nothing was sent to it")
		}
	})
}

// A client whose message waits for room cannot have its pongs read: it is not
// dead. Real sockets, since a pipe has no room for the pongs.
func TestPingsWhileRouteBlocks(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) {
		c.PingInterval, c.PingTimeout = 100*time.Millisecond, 500*time.Millisecond
	})
	pings := make(chan struct{}, 100)
	conn, _, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{
		OnPingReceived: func(context.Context, []byte) bool {
			pings <- struct{}{}
			return true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, s.ctx, conn, nil}
	frames := make(chan string, 10)
	go func() {
		defer close(frames)
		for {
			_, frame, err := conn.Read(s.ctx)
			if err != nil {
				return
			}
			frames <- string(frame)
		}
	}()
	s.router.Block()
	c.send(`{"id":1,"seq":1}`)
	for range 12 {
		<-pings
	}
	s.router.Unblock()
	if frame := <-frames; frame != `{"op":"ack","id":1,"seq":1}` {
		t.Errorf("received %q", frame)
	}
	if st := s.Stats(); st.CutSilent != 0 {
		t.Errorf("%+v", st)
	}
	_ = conn.CloseNow()
}

// silence makes the client one that takes what it is sent and answers nothing.
func (c *client) silence() <-chan int {
	n := make(chan int, 1)
	go func() {
		defer close(n)
		// A reader that is not the library's swallows the pings.
		total := 0
		buf := make([]byte, 512)
		raw := c.raw
		for {
			got, err := raw.Read(buf)
			total += got
			if err != nil {
				n <- total
				return
			}
		}
	}()
	return n
}

func TestFlushOfEverythingCountsAgainstControls(t *testing.T) {
	s := serve(t, nil)
	s.router.Hold()
	c := s.dial("")
	var b strings.Builder
	for i := range maxControls {
		fmt.Fprintf(&b, `{"id":%d}`, i)
	}
	c.send(b.String())
	s.waitMessages(maxControls)
	c.send(`{"op":"flush"} {"op":"flush"} {"id":"behind"}`)
	s.waitMessages(2 * maxControls)
	s.router.Release()
	c.expect(`{"op":"flush"}`, `{"op":"flush"}`)
	s.waitFor("the message behind", func(st transporttest.State) bool {
		return st.Messages[len(st.Messages)-1].ID == "behind"
	})
}

// dialSmall connects with little room in the kernel for what is not read.
func (s *server) dialSmall() *client {
	s.t.Helper()
	return s.dialOver(net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
		})
	}})
}

// dialOver keeps the connection below, so that it can be written to.
func (s *server) dialOver(d net.Dialer) *client {
	s.t.Helper()
	var raw net.Conn
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		raw, err = d.DialContext(ctx, network, addr)
		return raw, err
	}}
	conn, _, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return &client{s.t, s.ctx, conn, raw}
}

// Real sockets: the memory for clients that never read stays flat.
func TestSlowReadersMemory(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) { c.WriteTimeout = time.Second })
	const n = 5
	for range n {
		c := s.dialSmall()
		go func() {
			frame := []byte(strings.Repeat("?\n", 50_000))
			for c.conn.Write(c.ctx, websocket.MessageText, frame) == nil {
			}
		}()
	}
	s.eventually("the cuts", func() bool { return s.Stats().CutSlow == n })
	s.waitGone(0)
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 64<<20 {
		t.Errorf("%d MiB are in use", m.HeapAlloc>>20)
	}
}

var _ net.Conn = (*socket)(nil)

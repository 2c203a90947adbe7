package transport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
)

// rawFrame is a frame of a client, masked with zeros. length is what its header
// declares.
func rawFrame(first byte, length int, payload string) []byte {
	var b []byte
	switch {
	case length < 126:
		b = []byte{first, 0x80 | byte(length)}
	case length < 1<<16:
		b = []byte{first, 0x80 | 126, byte(length >> 8), byte(length)}
	default:
		b = []byte{first, 0x80 | 127}
		for i := 56; i >= 0; i -= 8 {
			b = append(b, byte(length>>i))
		}
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

func maskedFrame(first byte, payload string) []byte { return rawFrame(first, len(payload), payload) }

// write sends raw bytes, and tells whether the server took them.
func (c *client) write(b []byte) bool {
	_, err := c.raw.Write(b)
	return err == nil
}

// closing reads until the connection ends, answers nothing, and gives the close
// frame. It reads below the library, which would wait to write.
func (c *client) closing() <-chan closed {
	ch := make(chan closed, 1)
	go func() {
		defer close(ch)
		r := bufio.NewReader(c.raw)
		for {
			head, err := r.Peek(2)
			if err != nil {
				return
			}
			frame := make([]byte, 2+int(head[1]))
			if _, err := io.ReadFull(r, frame); err != nil {
				return
			}
			if frame[0] == closeFrame {
				ch <- closed{websocket.StatusCode(binary.BigEndian.Uint16(frame[2:])), string(frame[4:]), time.Now()}
			}
		}
	}()
	return ch
}

type closed struct {
	code   websocket.StatusCode
	reason string
	at     time.Time
}

// A message that has begun must end, however it is held up.
func TestUnfinishedMessages(t *testing.T) {
	for _, c := range []struct {
		name  string
		first []byte
		every time.Duration
		next  []byte
	}{
		{"a byte a second", rawFrame(0x81, 1000, ""), time.Second, []byte{' '}},
		{"a header and nothing", rawFrame(0x81, 1000, ""), 0, nil},
		{"a fragment and nothing", maskedFrame(0x01, `{"id":`), 0, nil},
		{"a fragment a second", maskedFrame(0x01, `{"id":`), time.Second, maskedFrame(0x00, " ")},
		{"an empty fragment a second", maskedFrame(0x02, ""), time.Second, maskedFrame(0x00, "")},
		{"a fragment and pings", maskedFrame(0x01, "{"), time.Second, maskedFrame(0x89, "x")},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := servePipe(t, func(c *WebSocketConfig) { c.FrameTimeout = 10 * time.Second })
				client := s.dial("")
				end := client.closing()
				time.Sleep(20 * time.Second) // idle is no fault
				client.send(`{"id":1}`)
				start := time.Now()
				client.write(c.first)
				var group sync.WaitGroup
				group.Go(func() {
					for c.every > 0 && client.write(c.next) {
						time.Sleep(c.every)
					}
				})
				got := <-end
				group.Wait()
				if d := got.at.Sub(start); got.code != websocket.StatusPolicyViolation || d < 10*time.Second || d > 11*time.Second {
					t.Errorf("ended after %v with %v, %s", d, got.code, got.reason)
				}
				s.waitGone(0)
				if st := s.Stats(); st.CutUnfinished != 1 || st.CutSilent+st.CutFlooding+st.CutSlow > 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// A client that is slow, but not too slow, may be so for ever.
func TestSlowMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipe(t, func(c *WebSocketConfig) { c.FrameTimeout, c.PingInterval = 10*time.Second, 0 })
		c := s.dial("")
		frame := rawFrame(0x81, len(`{"id":1,"seq":1}`), "")
		for seq := 1; seq <= 9; seq++ {
			c.write(frame)
			time.Sleep(5 * time.Second)
			c.write([]byte(`{"id":1`))
			time.Sleep(4 * time.Second)
			c.write(fmt.Appendf(nil, `,"seq":%d}`, seq))
			c.expect(fmt.Sprintf(`{"op":"ack","id":1,"seq":%d}`, seq))
		}
	})
}

// While the server does not read, time does not pass for the message behind.
func TestUnfinishedWhileRouteBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipe(t, func(c *WebSocketConfig) { c.FrameTimeout, c.PingInterval = 10*time.Second, 0 })
		c := s.dial("")
		s.router.Block()
		second := maskedFrame(0x81, `{"id":1,"seq":2}`)
		c.write(append(maskedFrame(0x81, `{"id":1,"seq":1}`), second[:10]...))
		time.Sleep(time.Minute)
		s.router.Unblock()
		c.expect(`{"op":"ack","id":1,"seq":1}`)
		time.Sleep(9 * time.Second)
		c.write(second[10:])
		c.expect(`{"op":"ack","id":1,"seq":2}`)
	})
}

// Frames that bring nothing, and fragments beyond the limit, end the connection
// after a bounded number of bytes.
func TestFloods(t *testing.T) {
	for _, c := range []struct {
		name  string
		first []byte
		next  []byte
		most  int // bytes
	}{
		{"empty fragments", maskedFrame(0x01, ""), maskedFrame(0x00, ""), maxWaste + 24<<10},
		{"empty fragments behind data", maskedFrame(0x01, "{}"), maskedFrame(0x00, ""), maxWaste + 24<<10},
		{"fragments of a byte", maskedFrame(0x01, "{"), maskedFrame(0x00, " "), 7*1001 + 16<<10},
		{"empty pings", nil, maskedFrame(0x89, ""), 6*maxPings + 12<<10},
		{"pings", nil, maskedFrame(0x89, strings.Repeat("x", 125)), maxWaste + 16<<10},
		{"pongs", nil, maskedFrame(0x8A, ""), maxWaste + 16<<10},
		{"pings in a message", maskedFrame(0x01, "{}"), maskedFrame(0x89, ""), maxWaste + 24<<10},
		{"pings between messages", nil, append(bytes.Repeat(maskedFrame(0x89, ""), 20), maskedFrame(0x81, `{"id":1}`)...), 8 * maxWaste},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := servePipe(t, func(*WebSocketConfig) {})
				client := s.dial("")
				end := client.closing()
				client.write(c.first)
				sent, before := 0, time.Now()
				burst := bytes.Repeat(c.next, 4096/len(c.next))
				for time.Since(before) == 0 && client.write(burst) {
					sent += len(burst)
				}
				if got := <-end; got.code != websocket.StatusPolicyViolation {
					t.Errorf("ended with %v, %s", got.code, got.reason)
				}
				if sent > c.most {
					t.Errorf("it took %d bytes", sent)
				}
				s.waitGone(0)
				if d := time.Since(before); d > goodbye+time.Second {
					t.Errorf("it took %v", d)
				}
				if st := s.Stats(); st.CutFlooding != 1 || st.CutUnfinished > 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// The limit of fragments is exact.
func TestFragments(t *testing.T) {
	s := serve(t, func(c *WebSocketConfig) { c.MaxFragments = 7 })
	for fragments, code := range map[int]websocket.StatusCode{1: -1, 7: -1, 8: websocket.StatusPolicyViolation} {
		c := s.dialOver(net.Dialer{})
		text := fmt.Sprintf(`{"id":1,"seq":1%s}`, strings.Repeat(" ", 5000))
		for i := range fragments {
			first := byte(0x00)
			if i == 0 {
				first = 0x01
			}
			if i == fragments-1 {
				first |= 0x80
			}
			size := len(text) / fragments
			if i == fragments-1 {
				size = len(text) - i*size
			}
			from := i * (len(text) / fragments)
			c.write(maskedFrame(first, text[from:from+size]))
		}
		if code == -1 {
			c.expect(`{"op":"ack","id":1,"seq":1}`)
		} else {
			c.expectClose(code)
		}
	}
}

// What a busy and honest client sends is no flood: fragments, pings of its own,
// many small messages, large ones.
func TestNoFlood(t *testing.T) {
	s := serve(t, nil)
	c := s.dialOver(net.Dialer{})
	var b bytes.Buffer
	seq := 0
	message := func(fill int) string {
		seq++
		return fmt.Sprintf(`{"id":1,"seq":%d%s}`, seq, strings.Repeat(" ", fill))
	}
	for range 20 {
		for range 1000 {
			b.Write(maskedFrame(0x81, message(0)))
		}
		text := message(1 << 19)
		b.Write(maskedFrame(0x01, text[:1000]))
		for text = text[1000:]; len(text) > 1000; text = text[1000:] {
			b.Write(maskedFrame(0x00, text[:1000]))
		}
		b.Write(maskedFrame(0x89, "are you there"))
		b.Write(maskedFrame(0x80, text))
		b.Write(maskedFrame(0x82, message(1<<20-100)))
	}
	go func() { c.write(b.Bytes()) }()
	last := fmt.Sprintf(`{"op":"ack","id":1,"seq":%d}`, seq)
	for frame := ""; frame != last; {
		var err error
		if frame, err = c.receive(); err != nil {
			t.Fatal(err)
		}
	}
}

// A client that pings and reads no pong is cut.
func TestPingsWithoutReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipe(t, func(*WebSocketConfig) {})
		c := s.dial("")
		start := time.Now()
		for c.write(maskedFrame(0x89, "x")) {
			time.Sleep(time.Second)
		}
		s.waitGone(0)
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// Messages and bytes are taken at their rates, none is refused, and others notice
// nothing.
func TestRates(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*WebSocketConfig)
		frames []string
		want   time.Duration
	}{
		{
			"messages", func(c *WebSocketConfig) { c.MessagesPerSecond = 10 },
			[]string{"%s"},
			19 * time.Second,
		}, // 200, of which the first 10 come at once
		{
			"messages in frames", func(c *WebSocketConfig) { c.MessagesPerSecond = 10 },
			[]string{"%s %s %s %s %s"},
			99 * time.Second,
		},
		{
			"a burst", func(c *WebSocketConfig) { c.MessagesPerSecond, c.Burst = 10, 15*time.Second },
			[]string{"%s"},
			5 * time.Second,
		},
		{
			"refused ones too", func(c *WebSocketConfig) { c.MessagesPerSecond = 10 },
			[]string{`%s {"id":1,"op":"unknown"}`},
			39 * time.Second,
		},
		{
			"bytes", func(c *WebSocketConfig) { c.BytesPerSecond = 1000 },
			[]string{"%s" + strings.Repeat(" ", 84)},
			19 * time.Second,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := servePipe(t, func(config *WebSocketConfig) {
					c.change(config)
					config.PingInterval = 0 // nobody would answer
				})
				client, other := s.dial(""), s.dial("")
				const n = 200
				per := strings.Count(c.frames[0], "%s")
				start := time.Now()
				var group sync.WaitGroup
				group.Go(func() {
					seq := 100
					for range n {
						frame := c.frames[0]
						for range per {
							seq++
							frame = strings.Replace(frame, "%s", fmt.Sprintf(`{"id":1,"seq":%d}`, seq), 1)
						}
						client.send(frame)
					}
				})
				last := fmt.Sprintf(`{"op":"ack","id":1,"seq":%d}`, 100+n*per)
				for frame := ""; frame != last; {
					_, b, err := client.conn.Read(client.ctx)
					if err != nil {
						t.Fatal(err)
					}
					frame = string(b)
				}
				group.Wait()
				if d := time.Since(start); d < c.want-2*time.Second || d > c.want+2*time.Second {
					t.Errorf("it took %v, want %v", d, c.want)
				}
				before := time.Now()
				other.send(`{"id":2,"seq":1}`)
				other.expect(`{"op":"ack","id":2,"seq":1}`)
				if time.Since(before) > 0 {
					t.Error("the other client waited")
				}
			})
		})
	}
}

// A connection that waits for its rate is not dead; a drain does not wait for it,
// and other limits count at once.
func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		change := func(c *WebSocketConfig) { c.MessagesPerSecond = 1 }
		s := servePipe(t, change)
		a, b := s.dial(""), s.dial("")
		frame := strings.Repeat(`{"id":1}`, 3600)
		for _, c := range []*client{a, b} {
			go c.closing()
			c.send(frame)
			go c.write(maskedFrame(0x81, `{"id":"behind"}`))
		}
		time.Sleep(10 * time.Minute)
		if st := s.Stats(); st.Connections != 2 || st.Messages != 2*3600 {
			t.Fatalf("%+v", st)
		}
		c := testConfig()
		change(&c)
		c.MessagesPerSecond = 2
		if err := s.Update(c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(throttlePace)
		synctest.Wait()
		if n := len(s.router.Messages()); n != 2*3600+2 {
			t.Errorf("%d messages", n)
		}
		a.send(frame)
		start := time.Now()
		s.drain()
		s.waitServed()
		if d := time.Since(start); d > 2*goodbye {
			t.Errorf("the drain took %v", d)
		}
	})
}

// A message that would begin a stream too many waits, and what is behind it does.
func TestStreamsOfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipe(t, func(c *WebSocketConfig) { c.MaxStreams, c.PingInterval = 3, 0 })
		s.router.Hold()
		c := s.dial("")
		c.send(`{"id":1,"seq":1}{"id":2,"seq":1}{"id":3,"seq":1}{"id":1,"seq":2}{"id":4,"seq":1}{"id":4,"seq":2}{"id":1,"seq":3}`)
		time.Sleep(time.Hour)
		if n := len(s.router.Messages()); n != 4 {
			t.Fatalf("%d messages are routed", n)
		}
		s.router.Settle("2", 1, nil)
		c.expect(`{"op":"ack","id":2,"seq":1}`)
		synctest.Wait()
		if n := len(s.router.Messages()); n != 7 {
			t.Fatalf("%d messages are routed", n)
		}
		s.router.Release()
		for range 3 {
			if _, err := c.receive(); err != nil {
				t.Fatal(err)
			}
		}
		for id := range 100 { // those that are idle make place
			c.send(fmt.Sprintf(`{"id":%d,"seq":9}`, id+10))
			c.expect(fmt.Sprintf(`{"op":"ack","id":%d,"seq":9}`, id+10))
		}
	})
}

// Compression is there only where it is asked for, and a small frame cannot become
// a large message.
func TestCompression(t *testing.T) {
	for _, on := range []bool{false, true} {
		s := serve(t, func(c *WebSocketConfig) { c.Compression, c.MaxFragments = on, 2 })
		conn, resp, err := websocket.Dial(s.ctx, s.URL(), &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			t.Fatal(err)
		}
		c := &client{t, s.ctx, conn, nil}
		agreed := resp.Header.Get("Sec-WebSocket-Extensions")
		if !on && agreed != "" || on && agreed != "permessage-deflate; client_no_context_takeover; server_no_context_takeover" {
			t.Errorf("agreed on %q", agreed)
		}
		for seq := range 20 {
			c.send(fmt.Sprintf(`{"id":1,"seq":%d,"data":"%s"}`, seq+1, strings.Repeat("x", 50_000*seq)))
			c.expect(fmt.Sprintf(`{"op":"ack","id":1,"seq":%d}`, seq+1))
		}
		bomb := []byte(strings.Repeat(" ", 256<<20))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		go func() { _ = conn.Write(s.ctx, websocket.MessageText, bomb) }()
		c.expectClose(websocket.StatusMessageTooBig)
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 16 { // of the client too
			t.Errorf("%d MiB were allocated", n)
		}
		_ = conn.CloseNow()
	}
}

// Every limit that has a fault is named.
func TestLimitsAreChecked(t *testing.T) {
	c := testConfig()
	c.LimitsConfig = LimitsConfig{-1, 0, -1, -1, -1, -1, true}
	err := c.Validate()
	for _, option := range []string{
		"frame_timeout", "max_fragments", "messages_per_second", "bytes_per_second", "burst", "max_streams_per_connection",
	} {
		if err == nil || !strings.Contains(err.Error(), option) {
			t.Errorf("%s is not named in %v", option, err)
		}
	}
	c.LimitsConfig = LimitsConfig{MaxFragments: 1, BytesPerSecond: engine.GiB}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

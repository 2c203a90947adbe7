package transport

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
)

func newBenchConn(b testing.TB, r engine.Router) *conn {
	w := &WebSocket{config: testConfig(), ops: operations(nil, nil), holds: NewHolds(), conns: map[*conn]struct{}{}, router: r}
	w.ctx = b.Context()
	c := &conn{ws: w, table: newTable(w.holds, 0), pass: &pass{}, writing: true}
	c.room.L = &c.mu
	return c
}

// held is a router that settles when it is told to.
type held struct {
	ms []engine.Message
	p  engine.Producer
}

func (h *held) Route(_ context.Context, m engine.Message, p engine.Producer) error {
	h.ms, h.p = append(h.ms, m), p
	return nil
}

const benchMessage = `{"op":"report","id":%d,"time":"1715050000","seq":42,"data":{"conn_ip":"10.0.0.1","id":17},"code":0}`

// A message as the decoder sees it, in the forms that it comes in.
func BenchmarkDecoder(b *testing.B) {
	many := func(open, between, closing string) []byte {
		messages := make([]string, 50)
		for i := range messages {
			messages[i] = fmt.Sprintf(benchMessage, i)
		}
		return []byte(open + strings.Join(messages, between) + closing)
	}
	for _, c := range []struct {
		name  string
		frame []byte
		per   int
	}{
		{"one", fmt.Appendf(nil, benchMessage, 17), 1},
		{"array of 50", many("[", ",", "]"), 50},
		{"50 lines", many("", "\n", "\n"), 50},
		{"escaped id", []byte(`{"id":"caf\u00e9 \ud83d\ude00","seq":42,"data":{"text":"a \"b\" c"}}`), 1},
		{"id in data", []byte(`{"seq":42,"data":{"conn_ip":"10.0.0.1","id":17}}`), 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := newDecoder(operations(nil, nil))
			var m incoming
			b.ReportAllocs()
			for b.Loop() {
				d.reset(c.frame, utf8.Valid(c.frame))
				for d.next(&m) {
					if m.fault != "" {
						b.Fatal(m.text)
					}
				}
			}
			perMessage(b, c.per)
		})
	}
}

// perMessage reports what one of the n messages of an iteration takes.
func perMessage(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/message")
}

// From a frame to Route.
func BenchmarkRoute(b *testing.B) {
	c := newBenchConn(b, blackhole{})
	c.socket = &socket{}
	frames := benchFrames(1000)
	d := newDecoder(c.ws.ops)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.frame(d, frames[i%len(frames)], true)
	}
}

// blackhole takes messages and never settles them.
type blackhole struct{}

func (blackhole) Route(context.Context, engine.Message, engine.Producer) error { return nil }

func benchFrames(ids int) [][]byte {
	frames := make([][]byte, ids)
	for i := range frames {
		frames[i] = fmt.Appendf(nil, benchMessage, i)
	}
	return frames
}

// A message on its way allocates nothing, from its frame to Route, and back from
// Settled to the encoded ack.
func TestMessagesAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	h := &held{ms: make([]engine.Message, 0, 10)}
	c := newBenchConn(t, h)
	c.socket = &socket{}
	frames := benchFrames(1000)
	d := newDecoder(c.ws.ops)
	var out []byte
	var ends []int
	round := func() {
		for i, frame := range frames {
			c.frame(d, frame, true)
			if i%10 == 9 {
				for j := range h.ms {
					c.settled(h.ms[j:j+1], engine.Result{}, nil)
				}
				h.ms = h.ms[:0]
				out, ends = c.encode(out[:0], ends[:0])
			}
		}
	}
	round() // the streams are new
	if n := testing.AllocsPerRun(20, round); n > 0 {
		t.Errorf("%v allocations for %d messages", n, len(frames))
	}
}

// Acks of one stream that come while one waits raise it.
func BenchmarkAckCoalescing(b *testing.B) {
	c := newBenchConn(b, blackhole{})
	s := c.table.pin("17")
	var out []byte
	var ends []int
	b.ReportAllocs()
	for i := int64(1); b.Loop(); i++ {
		c.ack(s, i)
		if i%64 == 0 {
			out, ends = c.encode(out[:0], ends[:0])
		}
	}
}

// A batch of ten is settled.
func BenchmarkSettled(b *testing.B) {
	c := newBenchConn(b, blackhole{})
	ms := make([]engine.Message, 10)
	for i := range ms {
		ms[i] = engine.Message{ID: "17", Tag: int64(i + 1)}
	}
	s := c.table.pin("17")
	var out []byte
	var ends []int
	b.ReportAllocs()
	for b.Loop() {
		s.outstanding += int32(len(ms)) - 1
		c.settled(ms, engine.Result{}, nil)
		out, ends = c.encode(out[:0], ends[:0])
		c.table.pin("17")
	}
	perMessage(b, len(ms))
}

// A message's way through the connection, and its ack back: without sockets.
func BenchmarkMessageAndAck(b *testing.B) {
	for _, ids := range []int{1, 1000} {
		b.Run(fmt.Sprint(ids, "-ids"), func(b *testing.B) {
			h := &held{}
			c := newBenchConn(b, h)
			d := newDecoder(c.ws.ops)
			frames := benchFrames(ids)
			template := engine.Message{Received: time.Now()}
			var out []byte
			var ends []int
			var m incoming
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d.reset(frames[i%ids], true)
				for d.next(&m) {
					c.message(&m, &template, d)
				}
				if len(h.ms) == 10 {
					for j := range h.ms {
						c.settled(h.ms[j:j+1], engine.Result{}, nil)
					}
					h.ms = h.ms[:0]
					c.mu.Lock()
					out, ends = c.encode(out[:0], ends[:0])
					c.mu.Unlock()
				}
			}
		})
	}
}

// A frame for each message, over a real socket, each acked.
func BenchmarkSocket(b *testing.B) {
	for _, per := range []int{1, 50} {
		b.Run(fmt.Sprint(per, "-a-frame"), func(b *testing.B) {
			w, err := ListenWebSocket(testConfig())
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			served := make(chan error)
			go func() { served <- w.Serve(ctx, instant{}) }()
			conn, _, err := websocket.Dial(ctx, w.URL(), nil)
			if err != nil {
				b.Fatal(err)
			}
			var frame []byte
			for i := range per {
				frame = fmt.Appendf(frame, benchMessage, i)
			}
			go func() {
				for {
					if _, _, err := conn.Read(ctx); err != nil {
						return
					}
				}
			}()
			b.ReportAllocs()
			for b.Loop() {
				if err := conn.Write(context.Background(), websocket.MessageText, frame); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*per)/b.Elapsed().Seconds(), "messages/s")
			cancel()
			if err := <-served; err != nil {
				b.Fatal(err)
			}
			_ = conn.CloseNow()
		})
	}
}

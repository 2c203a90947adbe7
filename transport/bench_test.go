package transport

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
)

func newBenchConn(b *testing.B, r engine.Router) *conn {
	w := &WebSocket{config: testConfig(), ops: operations(nil, nil), holds: NewHolds(), conns: map[*conn]struct{}{}, router: r}
	w.ctx = b.Context()
	c := &conn{ws: w, table: newTable(w.holds), writing: true}
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

// A message's way through the connection, and its ack back: without sockets.
func BenchmarkMessageAndAck(b *testing.B) {
	for _, ids := range []int{1, 1000} {
		b.Run(fmt.Sprint(ids, "-ids"), func(b *testing.B) {
			h := &held{}
			c := newBenchConn(b, h)
			d := newDecoder(c.ws.ops)
			frames := make([][]byte, ids)
			for i := range frames {
				frames[i] = fmt.Appendf(nil, `{"op":"report","id":%d,"time":"1715050000","seq":42,"data":{"conn_ip":"10.0.0.1","id":17},"code":0}`, i)
			}
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
				frame = fmt.Appendf(frame, `{"op":"report","id":%d,"time":"1715050000","seq":42,"data":{"conn_ip":"10.0.0.1","id":17},"code":0}`, i)
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

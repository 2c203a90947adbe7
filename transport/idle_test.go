package transport

import (
	"context"
	"runtime"
	"testing"

	"github.com/coder/websocket"
)

// BenchmarkIdleConnection measures what a connection costs that does nothing,
// together with its client's end.
func BenchmarkIdleConnection(b *testing.B) {
	w, err := ListenWebSocket(testConfig())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- w.Serve(ctx, instant{}) }()
	const n = 1000
	conns := make([]*websocket.Conn, 0, n)
	var before, after runtime.MemStats
	for range 10 {
		conn, _, err := websocket.Dial(ctx, w.URL(), nil)
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, conn)
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	for len(conns) < n {
		conn, _, err := websocket.Dial(ctx, w.URL(), nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := conn.Write(ctx, websocket.MessageText, []byte(`{"id":1,"seq":1}`)); err != nil {
			b.Fatal(err)
		}
		if _, _, err := conn.Read(ctx); err != nil {
			b.Fatal(err)
		}
		conns = append(conns, conn)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	use := (after.HeapAlloc + after.StackInuse) - (before.HeapAlloc + before.StackInuse)
	for b.Loop() {
	}
	b.ReportMetric(float64(use)/float64(n-10), "bytes/connection")
	for _, c := range conns {
		_ = c.CloseNow()
	}
	cancel()
	if err := <-served; err != nil {
		b.Fatal(err)
	}
}

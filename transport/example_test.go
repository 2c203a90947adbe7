package transport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport"
)

// printer is a sink that prints what it stores.
type printer struct{}

func (printer) Write(_ context.Context, batches []engine.Batch) ([]engine.Result, error) {
	for _, b := range batches {
		for _, m := range b.Messages {
			fmt.Printf("stored: %s %s %s\n", b.ID, m.Op, m.Data)
		}
	}
	return nil, nil
}

func (printer) Close() error { return nil }

// serve runs an engine with the transport until the function that it returns is
// called.
func serve(w *transport.WebSocket) (stop func()) {
	e, err := engine.New(printer{}, engine.DefaultOptions())
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- e.Run(ctx) }()
	go func() { ended <- w.Serve(ctx, e) }()
	return func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				fmt.Println(err)
			}
		}
	}
}

// talk is a client: it sends one frame and prints the answer.
func talk(url, frame string) {
	ctx := context.Background()
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = conn.CloseNow() }()
	if err := conn.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
		fmt.Println(err)
		return
	}
	_, answer, err := conn.Read(ctx)
	fmt.Println("answer:", string(answer), err)
}

// A server on a port of its own.
func Example() {
	config := transport.DefaultWebSocketConfig()
	config.Listen = "127.0.0.1:0"
	w, err := transport.ListenWebSocket(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	stop := serve(w)
	talk(w.URL(), `{"id":17,"data":{"celsius":20.5}} {"id":17,"data":{"celsius":21}} {"op":"flush"}`)
	stop()
	// Output:
	// stored: 17 report {"celsius":20.5}
	// stored: 17 report {"celsius":21}
	// answer: {"op":"flush"} <nil>
}

// An op of the host program's own. Its handler is called on the connection's
// goroutine, in the order of the messages.
func ExampleHandler() {
	config := transport.DefaultWebSocketConfig()
	config.Listen = "127.0.0.1:0"
	config.Handlers = map[string]transport.Handler{
		"double": func(_ context.Context, op transport.Op) error {
			var asked struct{ Data int64 }
			if err := json.Unmarshal(op.Frame, &asked); err != nil {
				return err // answered as a bad_message
			}
			return op.Reply(fmt.Appendf(nil, `{"op":"double","data":%d}`, 2*asked.Data))
		},
	}
	w, err := transport.ListenWebSocket(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	stop := serve(w)
	talk(w.URL(), `{"op":"double","data":21}`)
	talk(w.URL(), `{"op":"treble","id":"a","seq":3}`)
	stop()
	// Output:
	// answer: {"op":"double","data":42} <nil>
	// answer: {"op":"error","code":"unknown_op","error":"the op \"treble\" is not known","retry":false,"id":"a","seq":3} <nil>
}

// In a web server that is there already, behind whatever it puts in front of its
// handlers. Until Serve is called, requests are answered with 503.
func ExampleWebSocket_ServeHTTP() {
	config := transport.DefaultWebSocketConfig()
	config.Listen = "127.0.0.1:0"
	w, err := transport.ListenWebSocket(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	stop := serve(w)
	mux := http.NewServeMux()
	mux.Handle("/api/ingest", w)
	server := httptest.NewServer(mux)
	talk(strings.Replace(server.URL, "http:", "ws:", 1)+"/api/ingest", `{"op":"done","id":"a"}`)
	stop()
	server.Close()
	// Output:
	// answer: {"op":"done","id":"a"} <nil>
}

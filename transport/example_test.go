package transport_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/transport"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// A host program serves websocket clients, with an op of its own. In earnest the
// router is an engine.Engine.
func ExampleListenWebSocket() {
	config := transport.DefaultWebSocketConfig()
	config.Listen = "127.0.0.1:0"
	config.Handlers = map[string]transport.Handler{
		"hello": func(_ context.Context, op transport.Op) error {
			return op.Reply([]byte(`{"op":"hello","server":"example"}`))
		},
	}
	server, err := transport.ListenWebSocket(config)
	if err != nil {
		log.Fatal(err)
	}
	ctx, drain := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, transporttest.NewRouter()) }()

	client, _, err := websocket.Dial(ctx, server.URL()+"?client=phone-7", nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, frame := range []string{`{"op":"hello"}`, `{"id":17,"seq":1,"data":{"progress":0.5}}`, `{"op":"done","id":17}`} {
		if err := client.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
			log.Fatal(err)
		}
		_, answer, err := client.Read(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(answer))
	}
	_ = client.Close(websocket.StatusNormalClosure, "")
	drain()
	fmt.Println(<-served)
	// Output:
	// {"op":"hello","server":"example"}
	// {"op":"ack","id":17,"seq":1}
	// {"op":"done","id":17,"messages":1}
	// <nil>
}

// A host program has a server already, and mounts the WebSocket where it likes.
func ExampleWebSocket_ServeHTTP() {
	config := transport.DefaultWebSocketConfig()
	config.Listen = "" // no port of its own
	ingest, err := transport.ListenWebSocket(config)
	if err != nil {
		log.Fatal(err)
	}
	ctx, drain := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- ingest.Serve(ctx, transporttest.NewRouter()) }()

	mux := http.NewServeMux()
	mux.Handle("/devices/reports", ingest)
	host := httptest.NewServer(mux)
	defer host.Close()

	url := strings.Replace(host.URL, "http:", "ws:", 1) + "/devices/reports?client=phone-7"
	client, _, err := websocket.Dial(ctx, url, nil)
	for err != nil { // 503 until Serve has begun
		client, _, err = websocket.Dial(ctx, url, nil)
	}
	if err := client.Write(ctx, websocket.MessageText, []byte(`{"id":17,"seq":1}`)); err != nil {
		log.Fatal(err)
	}
	_, answer, err := client.Read(ctx)
	fmt.Println(string(answer), err)

	_ = client.Close(websocket.StatusNormalClosure, "")
	drain() // before the host's own server is shut down
	fmt.Println(<-served)
	// Output:
	// {"op":"ack","id":17,"seq":1} <nil>
	// <nil>
}

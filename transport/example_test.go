package transport_test

import (
	"context"
	"fmt"
	"log"

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

package transport_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// A feed of messages in a form of its own: Decode says where their fields are.
func ExampleDialWebSocket() {
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		_, asked, _ := conn.Read(r.Context())
		fmt.Printf("asked for %s\n", asked)
		_ = conn.Write(r.Context(), websocket.MessageText, []byte(`{"type":"ticker","events":[{"product":"BTC-USD","price":"63204.01"}]}`))
		_, _, _ = conn.Read(r.Context()) // until the client goes
	}))
	defer feed.Close()

	config := transport.DefaultWebSocketClientConfig()
	config.URL = transport.Secrets{engine.Secret("ws" + strings.TrimPrefix(feed.URL, "http"))}
	config.Subscribe = transport.Secrets{`{"subscribe":"ticker"}`}
	config.Decode = &transport.DecodeConfig{
		ID:   transport.Paths{"events.0.product"},
		Data: transport.Paths{"events.0", "."},
	}
	client, err := transport.DialWebSocket(config)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	router := transporttest.NewRouter() // in earnest: an engine
	served := make(chan error)
	go func() { served <- client.Serve(ctx, router) }()
	_ = router.Wait(ctx, func(s transporttest.State) bool { return len(s.Messages) > 0 })
	m := router.Messages()[0]
	fmt.Println(m.ID, string(m.Data))
	stop()
	fmt.Println(<-served)
	// Output:
	// asked for {"subscribe":"ticker"}
	// BTC-USD {"product":"BTC-USD","price":"63204.01"}
	// <nil>
}

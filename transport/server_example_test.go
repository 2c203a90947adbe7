package transport_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/transport"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// A host program knows its users by itself. Each may send to ids of its own, and is
// the Sender of its messages.
func ExampleServerConfig() {
	config := transport.DefaultWebSocketConfig()
	config.Listen = "127.0.0.1:0"
	config.Authenticate = func(r *http.Request) (transport.Identity, error) {
		user, password, _ := r.BasicAuth()
		if user != "ann" || password != "correct horse battery staple" { // in earnest a session, or a signed token
			return transport.Identity{}, errors.New("no such user")
		}
		return transport.Identity{Name: user, IDs: []string{user + "/*"}}, nil
	}
	server, err := transport.ListenWebSocket(config)
	if err != nil {
		log.Fatal(err)
	}
	ctx, drain := context.WithCancel(context.Background())
	served := make(chan error, 1)
	router := transporttest.NewRouter()
	go func() { served <- server.Serve(ctx, router) }()

	_, resp, err := websocket.Dial(ctx, server.URL(), nil)
	if err == nil {
		log.Fatal("a stranger is let in")
	}
	fmt.Println(resp.StatusCode)

	request := http.Request{Header: http.Header{}}
	request.SetBasicAuth("ann", "correct horse battery staple")
	client, _, err := websocket.Dial(ctx, server.URL(), &websocket.DialOptions{HTTPHeader: request.Header})
	if err != nil {
		log.Fatal(err)
	}
	for _, frame := range []string{`{"id":"ann/1","seq":1}`, `{"id":"bob/1","seq":1}`} {
		if err := client.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
			log.Fatal(err)
		}
		_, answer, err := client.Read(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(answer))
	}
	fmt.Println("sent by", router.Messages()[0].Sender)
	_ = client.Close(websocket.StatusNormalClosure, "")
	drain()
	fmt.Println(<-served)
	// Output:
	// 401
	// {"op":"ack","id":"ann/1","seq":1}
	// {"op":"error","code":"forbidden","error":"the token is not good for this id","retry":false,"id":"bob/1","seq":1}
	// sent by ann
	// <nil>
}

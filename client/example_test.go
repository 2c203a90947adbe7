package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ingestd/ingestd/client"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport"
)

// A producer sends what it has, and learns what became of it.
func Example() {
	url, stop := startServer()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	c, err := client.Dial(ctx, url, client.Options{
		Name:    "phone-7",
		Acked:   func(id string, seq int64) { fmt.Println(id, "is stored up to", seq) },
		Refused: func(r client.Refusal) { fmt.Println("refused:", r.ID, r.Seq, r.Code) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for n := range 3 {
		err := c.Send(ctx, client.Message{ID: "17", Seq: int64(n + 1), Data: fmt.Appendf(nil, `{"n":%d}`, n)})
		if err != nil {
			fmt.Println(err)
		}
	}
	if err := c.Close(ctx); err != nil { // waits for the acks
		fmt.Println(err)
	}
	// Output:
	// 17 is stored up to 3
}

// Done ends a stream, and tells how many messages it holds.
func ExampleClient_Done() {
	url, stop := startServer()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.Dial(ctx, url, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 5 {
		_ = c.Send(ctx, client.Message{ID: "case-4", Data: []byte(`"passed"`)})
	}
	messages, err := c.Done(ctx, "case-4", 0, []byte(`{"result":"ok"}`))
	fmt.Println(messages, err)
	fmt.Println(c.Close(ctx))
	// Output:
	// 5 <nil>
	// <nil>
}

// Close says what was not acked in time. With Options.File it would be kept.
func ExampleUnackedError() {
	c, err := client.Dial(context.Background(), "ws://127.0.0.1:1/ws", client.Options{Offline: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.Send(context.Background(), client.Message{ID: "17", Seq: 1})
	_ = c.Send(context.Background(), client.Message{ID: "17", Seq: 2})

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err = c.Close(ctx)
	var left *client.UnackedError
	if errors.As(err, &left) {
		fmt.Println(err)
		for _, u := range left.Streams {
			fmt.Println(u.ID, "from", u.First, "to", u.Last)
		}
	}
	// Output:
	// 2 messages were not acked: context deadline exceeded
	// 17 from 1 to 2
}

// counter is a sink that counts the messages of each id.
type counter map[string]int64

func (s counter) Write(_ context.Context, batches []engine.Batch) ([]engine.Result, error) {
	results := make([]engine.Result, len(batches))
	for i, b := range batches {
		s[b.ID] += int64(len(b.Messages))
		results[i].Rows = s[b.ID]
	}
	return results, nil
}

func (s counter) Close() error { return nil }

// startServer runs a server in this process, where usually there is a daemon.
func startServer() (url string, stop func()) {
	options := engine.DefaultOptions()
	options.Writers = 1
	e, err := engine.New(counter{}, options)
	if err != nil {
		panic(err)
	}
	config := transport.DefaultWebSocketConfig()
	config.Listen = "127.0.0.1:0"
	w, err := transport.ListenWebSocket(config)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- e.Run(ctx) }()
	go func() { ended <- w.Serve(ctx, e) }()
	return w.URL(), func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			fmt.Println(err)
		}
	}
}

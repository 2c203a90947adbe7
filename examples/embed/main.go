// Embed is a program of its own around package engine: no daemon, no websocket, no
// database. Its transport takes lines over TCP, its sink keeps totals in memory.
//
//	go run ./examples/embed
//	printf 'boiler\t1\t20\nboiler\t2\t22\n' | nc 127.0.0.1 7010   # answered after batch_wait: 10 s
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"

	"github.com/ingestd/ingestd/engine"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:7010")
	if err == nil {
		fmt.Println("listening on", listener.Addr())
		sink := &totals{}
		err = run(ctx, listener, sink, engine.DefaultOptions())
		fmt.Print(sink)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

// run takes messages until ctx ends, and then stores what it has accepted.
func run(ctx context.Context, listener net.Listener, sink engine.Sink, options engine.Options) error {
	e, err := engine.New(sink, options)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- (&lines{listener}).Serve(ctx, e)
		cancel() // where the transport fails, the engine ends too
	}()
	err = e.Run(ctx) // drains when ctx ends
	return errors.Join(err, <-served)
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"

	"github.com/ingestd/ingestd/bench/limit"
)

// readerConfig is that of the bare read loop.
type readerConfig struct {
	Decode bool `json:"decode"`
}

// listening is what a server says when it is ready.
type listening struct {
	URL string `json:"url"`
}

// readerCounts is what a bare read loop says at its end.
type readerCounts struct {
	Frames   int64 `json:"frames"`
	Messages int64 `json:"messages"`
}

// playReader is the bare read loop.
func playReader(config []byte, in *bufio.Reader, out io.Writer) error {
	var c readerConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r := &limit.Reader{Decode: c.Decode}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- r.Serve(ctx, l) }()
	if err := say(out, listening{"ws://" + l.Addr().String() + "/"}); err != nil {
		return err
	}
	untilEnd(in)
	stop()
	if err := <-served; err != nil {
		return err
	}
	frames, messages, err := r.Counts()
	if err != nil {
		return err
	}
	return say(out, readerCounts{frames, messages})
}

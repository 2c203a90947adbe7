package main

import (
	"bufio"
	"encoding/json"
	"io"

	"github.com/ingestd/ingestd/bench/load"
)

// playLoad is the load client.
func playLoad(config []byte, in *bufio.Reader, out io.Writer) error {
	var c load.Config
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	l, err := load.Open(c)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := say(out, nothing{}); err != nil {
		return err
	}
	if err := await(in); err != nil {
		return err
	}
	result, err := l.Run()
	if err != nil {
		return err
	}
	if err := say(out, result); err != nil {
		return err
	}
	untilEnd(in) // the connections stay until then
	return nil
}

package spool_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/spool"
)

// printer is a sink for people to look at.
type printer struct{}

func (printer) Close() error { return nil }
func (printer) Write(_ context.Context, batches []engine.Batch) ([]engine.Result, error) {
	for _, b := range batches {
		for _, m := range b.Messages {
			fmt.Printf("%s: %s\n", b.ID, m.Data)
		}
	}
	return nil, nil
}

// An engine with a spool in front of it: messages go to the spool, which runs the
// engine, too.
func Example() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	o := engine.DefaultOptions()
	o.DataDir = dir
	o.LeaveUndelivered = true // what is not stored stays in the spool
	e, err := engine.New(printer{}, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := spool.Open(spool.Config{
		Dir: filepath.Join(dir, "spool"), Max: engine.GiB, Numbers: e.Numbers(),
		Limits: spool.Limits{MaxPending: o.MaxPending, MaxStreams: o.MaxStreams, DrainTimeout: o.ShutdownTimeout},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, e) }()
	for _, data := range []string{`{"celsius":20}`, `{"celsius":21}`} {
		if err := s.Route(ctx, engine.Message{ID: "sensor-7", Data: []byte(data)}, nil); err != nil {
			fmt.Println(err)
		}
	}
	stop() // it drains
	if err := <-ended; err != nil {
		fmt.Println(err)
	}
	// Output:
	// sensor-7: {"celsius":20}
	// sensor-7: {"celsius":21}
}

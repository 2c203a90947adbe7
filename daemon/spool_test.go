package daemon

import (
	"context"
	"testing"

	"github.com/ingestd/ingestd/engine"
)

// While a sink is being opened, which may take as long as the network does, the
// status tells which it is.
func TestLateSinkIsNamedWhileItIsOpened(t *testing.T) {
	opening, open := make(chan struct{}), make(chan struct{})
	sink := &testSink{
		write:  func(context.Context, []engine.Batch) error { return nil },
		closed: make(chan struct{}),
	}
	s := &lateSink{name: "late", open: func(context.Context) (Sink, error) {
		close(opening)
		<-open
		return sink, nil
	}}
	written := make(chan error, 2)
	write := func() {
		_, err := s.Write(t.Context(), nil)
		written <- err
	}
	go write()
	<-opening
	go write()
	if name := s.String(); name != "late" {
		t.Errorf("it is named %q", name)
	}
	close(open)
	for range 2 {
		if err := <-written; err != nil {
			t.Error(err)
		}
	}
	if name := s.String(); name != "test" {
		t.Errorf("when it is open it is named %q", name)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-sink.closed
}

package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/ingestd/ingestd/engine"
)

// discard stores nothing and says that it did.
type discard struct{}

func (discard) Write(context.Context, []engine.Batch) ([]engine.Result, error) { return nil, nil }
func (discard) Close() error                                                   { return nil }

// BenchmarkRoute is the way of a message from Route to Settled, without a sink:
// per operation one message.
func BenchmarkRoute(b *testing.B) {
	for _, streams := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			e, err := engine.New(discard{}, engine.DefaultOptions())
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error)
			go func() { ended <- e.Run(ctx) }()
			ids := make([]string, streams)
			for i := range ids {
				ids[i] = fmt.Sprint(i)
			}
			m := engine.Message{Op: "report", Data: []byte(`{"conn_ip":"10.0.0.1","id":17,"value":0.123456789}`)}
			p := &nobody{}
			for _, m.ID = range ids { // the lanes are made before the clock starts
				if err := e.Route(ctx, m, p); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				m.ID = ids[i%streams]
				if err := e.Route(ctx, m, p); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			stop()
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}

type nobody struct{ _ int }

func (*nobody) Spooled([]engine.Message)                       {}
func (*nobody) Settled([]engine.Message, engine.Result, error) {}

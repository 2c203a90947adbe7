package client

import (
	"context"
	"fmt"
	"testing"

	"github.com/ingestd/ingestd/engine"
)

// discard stores nothing.
type discard struct{}

func (discard) Write(context.Context, []engine.Batch) ([]engine.Result, error) { return nil, nil }
func (discard) Close() error                                                   { return nil }

// A message to the server, stored by a sink that does nothing, and acked: client
// and server together.
func BenchmarkSend(b *testing.B) {
	for _, kind := range []string{"memory", "file"} {
		b.Run(kind, func(b *testing.B) {
			server := serve(b, discard{}, nil)
			o := Options{}
			if kind == "file" {
				o.File = b.TempDir() + "/client"
			}
			c := dial(b, server.url, o)
			data := fmt.Appendf(nil, `{"conn_ip":"10.0.0.1","id":17,"text":"%0100d"}`, 0)
			ids := make([]string, 1000)
			for i := range ids {
				ids[i] = fmt.Sprint("id-", i)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := c.Send(b.Context(), Message{ID: ids[i%len(ids)], Data: data}); err != nil {
					b.Fatal(err)
				}
				i++
			}
			if err := c.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/ingestd/ingestd/bench/limit"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/sinktest"
)

func BenchmarkWrite(b *testing.B) {
	sinktest.Benchmark(b, sinktest.Subject{
		Open: func(b *testing.B) engine.Sink {
			s := open(b, filepath.Join(b.TempDir(), "ingest.db"))
			b.Cleanup(func() {
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			})
			return s
		},
		Bare: func(b *testing.B, l sinktest.Load) func() error {
			in, err := limit.Bulk{
				Dialect: "sqlite", Path: filepath.Join(b.TempDir(), "bare.db"), IDs: l.Streams, RowsAnID: l.RowsEach, Size: 150,
			}.Open(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = in.Close() })
			return func() error {
				_, err := in.Run(b.Context(), 1)
				return err
			}
		},
	})
}

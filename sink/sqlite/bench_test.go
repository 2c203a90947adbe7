package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/ingestd/ingestd/sink/sinktest"
)

func BenchmarkWrite(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "ingest.db"))
	sinktest.Benchmark(b, s)
	if err := s.Close(); err != nil {
		b.Error(err)
	}
}

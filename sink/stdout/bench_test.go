package stdout_test

import (
	"io"
	"testing"

	"github.com/ingestd/ingestd/sink/sinktest"
	"github.com/ingestd/ingestd/sink/stdout"
)

func BenchmarkWrite(b *testing.B) {
	sinktest.Benchmark(b, open(b, stdout.Config{Format: "json", Output: io.Discard}))
}

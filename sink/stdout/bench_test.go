package stdout_test

import (
	"io"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink/sinktest"
	"github.com/ingestd/ingestd/sink/stdout"
)

func BenchmarkWrite(b *testing.B) {
	sinktest.Benchmark(b, sinktest.Subject{Open: func(b *testing.B) engine.Sink {
		return open(b, stdout.Config{Format: "json", Output: io.Discard})
	}})
}

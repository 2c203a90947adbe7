package mysql_test

import (
	"testing"

	"github.com/ingestd/ingestd/internal/mariadbtest"
	"github.com/ingestd/ingestd/sink/sinktest"
)

func BenchmarkWrite(b *testing.B) {
	s := opened(b, config(mariadbtest.DSN(b)))
	sinktest.Benchmark(b, s)
}

package mysql_test

import (
	"fmt"
	"testing"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// BenchmarkWriteAgain is a client that sends everything again: 1,000 messages of
// 100 streams, all of them stored before.
func BenchmarkWriteAgain(b *testing.B) {
	s := opened(b, config(mariadbtest.DSN(b)))
	var group []engine.Batch
	for k := range 100 {
		group = append(group, batch(fmt.Sprintf("stream-%03d", k), 1, 10))
	}
	write(b, s, group...)
	for b.Loop() {
		write(b, s, group...)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "µs/row")
}

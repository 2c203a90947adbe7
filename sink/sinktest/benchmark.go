package sinktest

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Benchmark measures a sink with groups of 1,000 messages of 150 bytes, as the
// engine makes them of 1,000 streams that are written in turn: in one run 10 of a
// stream, in the other 50. It reports rows a second, and the CPU time of this
// process for each, in microseconds.
func Benchmark(b *testing.B, s engine.Sink) {
	for _, n := range []int{10, 50} {
		b.Run(fmt.Sprintf("%d-of-a-stream", n), func(b *testing.B) { benchmark(b, s, n) })
	}
}

const groupSize, streamCount = 1000, 1000

// round numbers the groups of all benchmarks of the process, so that no message
// comes twice.
var round int64

func benchmark(b *testing.B, s engine.Sink, n int) {
	data := []byte(`{"conn_ip":"10.0.0.1","id":17,"text":"` + strings.Repeat("x", 110) + `"}`)
	group := make([]engine.Batch, groupSize/n)
	for i := range group {
		group[i].Messages = make([]engine.Message, n)
	}
	rows := 0
	b.ReportAllocs()
	start, used := time.Now(), cpu()
	for b.Loop() {
		round++
		now := time.Now().UTC()
		for i := range group {
			id := fmt.Sprintf("bench-%04d", (int(round)*len(group)+i)*7919%streamCount)
			group[i].ID = id
			for j := range group[i].Messages {
				group[i].Messages[j] = engine.Message{
					ID: id, Seq: engine.FirstOwnSeq + round<<16 + int64(j), Op: "report", Time: now, Received: now,
					Remote: "10.0.0.1:51234", Data: data,
				}
			}
		}
		slices.SortFunc(group, func(x, y engine.Batch) int { return strings.Compare(x.ID, y.ID) })
		if _, err := s.Write(b.Context(), group); err != nil {
			b.Fatal(err)
		}
		rows += groupSize
	}
	b.ReportMetric(float64(rows)/time.Since(start).Seconds(), "rows/s")
	b.ReportMetric((cpu()-used).Seconds()*1e6/float64(rows), "cpu-µs/row")
}

// cpu is the time that this process has spent.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

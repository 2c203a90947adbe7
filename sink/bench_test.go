package sink_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

const benchSize = 1000 // messages of a group

// benchGroup is a group of 1,000 messages of 150 bytes, of the engine's own numbers.
func benchGroup(rowsEach int) []engine.Batch {
	now := time.Now().UTC()
	data := []byte(`{"text":"` + strings.Repeat("x", 139) + `"}`)
	group := make([]engine.Batch, benchSize/rowsEach)
	for i := range group {
		group[i].ID = fmt.Sprintf("stream-%06d", i)
		for j := range rowsEach {
			group[i].Messages = append(group[i].Messages, engine.Message{
				ID: group[i].ID, Seq: engine.FirstOwnSeq + int64(j), Op: "report", Time: now,
				Received: now.Add(time.Duration(j) * time.Microsecond), Remote: "10.0.0.1:51234", Data: data,
			})
		}
	}
	return group
}

// perMessage measures f, which does something with every message of a group.
func perMessage(b *testing.B, f func()) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSize, "ns/msg")
}

// BenchmarkGroup is what a sink does with a group before and after its statements.
func BenchmarkGroup(b *testing.B) {
	for _, rows := range []int{1, 10, 50, benchSize} {
		batches := benchGroup(rows)
		var g sink.Group
		b.Run(fmt.Sprintf("Check/%d-rows-each", rows), func(b *testing.B) {
			perMessage(b, func() {
				if err := sink.CheckAll(batches); err != nil {
					b.Fatal(err)
				}
			})
		})
		b.Run(fmt.Sprintf("Load/%d-rows-each", rows), func(b *testing.B) {
			perMessage(b, func() { g.Load(batches, time.Time{}) })
		})
		b.Run(fmt.Sprintf("Sort/%d-rows-each", rows), func(b *testing.B) {
			perMessage(b, g.Sort)
		})
		b.Run(fmt.Sprintf("Fold/%d-rows-each", rows), func(b *testing.B) {
			perMessage(b, g.Fold)
		})
	}
}

// BenchmarkArgs is the building of arguments: of rows of messages, of runs, and of
// the rows of streams.
func BenchmarkArgs(b *testing.B) {
	for _, rows := range []int{1, 10, 50} {
		var g sink.Group
		g.Load(benchGroup(rows), time.Time{})
		g.Fold()
		var a sink.Args
		b.Run(fmt.Sprintf("Message/%d-rows-each", rows), func(b *testing.B) {
			perMessage(b, func() {
				for _, r := range g.Rows {
					a.Message(g.Message(r), g.Now)
				}
				a.Release()
			})
		})
		b.Run(fmt.Sprintf("Run/%d-rows-each", rows), func(b *testing.B) {
			perMessage(b, func() {
				for left := g.Rows; len(left) > 0; {
					n := g.Run(left[:min(len(left), 50)])
					a.Run(g.Message(left[0]))
					for _, r := range left[:n] {
						a.Own(g.Message(r), g.Now)
					}
					left = left[n:]
				}
				a.Release()
			})
		})
		b.Run(fmt.Sprintf("Stream/%d-rows-each", rows), func(b *testing.B) {
			perMessage(b, func() {
				for k := range g.Streams {
					a.Stream(&g.Streams[k])
				}
				a.Release()
			})
		})
	}
}

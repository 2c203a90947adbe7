package nats_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/natstest"
	sink "github.com/ingestd/ingestd/sink/nats"
)

// BenchmarkWrite publishes groups of messages of 150 bytes, of which 85 are data,
// ten each of streams out of 10,000, with two writers, to a server in this process.
// It reports messages a second, messages of JetStream a second, and the CPU time of
// both for a message.
func BenchmarkWrite(b *testing.B) {
	for _, server := range []struct {
		name    string
		options []natstest.Option
	}{{"sync-always", []natstest.Option{natstest.SyncAlways}}, {"sync-2m", nil}} {
		for _, size := range []int{1000, 8000} {
			b.Run(fmt.Sprintf("%s/%d", server.name, size), func(b *testing.B) {
				c := config(natstest.Start(b, server.options...).URL())
				c.MaxBytes = 100 * engine.GiB
				benchmarkWrite(b, c, size)
			})
		}
	}
}

func benchmarkWrite(b *testing.B, c sink.Config, size int) {
	s := open(b, c)
	const writers = 2
	before, cpu := s.Stats(), spent()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			groups := benchGroups(w, size)
			for k := 0; left.Add(-1) >= 0; k++ {
				group := groups[k%len(groups)]
				for i := range group {
					for j := range group[i].Messages {
						group[i].Messages[j].Seq++
					}
				}
				if _, err := s.Write(b.Context(), group); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	after := s.Stats()
	messages := float64(after.PublishedMessages - before.PublishedMessages)
	b.ReportMetric(messages/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(after.Publishes-before.Publishes)/b.Elapsed().Seconds(), "publishes/s")
	b.ReportMetric((spent()-cpu).Seconds()*1e6/messages, "cpu-µs/msg")
	b.ReportMetric(float64(after.PublishedBytes-before.PublishedBytes)/messages, "B/msg")
	b.ReportMetric(after.AckTimes.Sub(before.AckTimes).Quantile(0.5)*1e3, "ack-ms")
	b.ReportMetric(0, "ns/op")
}

// benchGroups are those of one writer, whose streams are its own.
func benchGroups(writer, size int) [][]engine.Batch {
	now := time.Now().UTC()
	data := []byte(`{"text":"` + strings.Repeat("x", 74) + `"}`)
	var groups [][]engine.Batch
	for g := range max(1, 5000*10/size) {
		var group []engine.Batch
		for i := range size / 10 {
			id := fmt.Sprintf("stream-%d-%05d", writer, g*size/10+i)
			b := engine.Batch{ID: id}
			for j := range 10 {
				b.Messages = append(b.Messages, engine.Message{
					ID: id, Seq: engine.FirstOwnSeq + int64(j)<<9, Op: "report", Received: now.Add(time.Duration(i) * time.Microsecond),
					Remote: fmt.Sprintf("10.0.0.1:%d", 40000+i%64), Data: data,
				})
			}
			group = append(group, b)
		}
		slices.SortFunc(group, func(a, b engine.Batch) int { return strings.Compare(a.ID, b.ID) })
		groups = append(groups, group)
	}
	return groups
}

// spent is the CPU time of this process.
func spent() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

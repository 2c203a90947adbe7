package sinktest

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// Load is how the messages of a group are spread over streams.
type Load struct {
	Name     string
	Streams  int // there are so many, written in turn
	RowsEach int // of a stream in a group
}

var loads = []Load{
	{"10-rows-each-of-1000-streams", 1000, 10},
	{"50-rows-each-of-1000-streams", 1000, 50},
	{"one-hot-stream", 1, groupSize},
	{"1-row-each-of-1000000-streams", 1_000_000, 1},
}

const groupSize = 1000

// Subject is what [Benchmark] measures: a sink of its own for each load.
type Subject struct {
	Open func(b *testing.B) engine.Sink

	// Bare, where it is not nil, gives a function that writes as many rows of the
	// same load into the same tables, elsewhere, in the barest way that there is.
	Bare func(b *testing.B, l Load) func() error

	// Server, where it is not nil, is the CPU time that the database has spent.
	Server func() time.Duration
}

// Benchmark measures a sink with groups of 1,000 messages of 150 bytes, of which 85
// are data: ten and fifty each of 1,000 streams in turn, all of one stream, and
// one each of a million. It reports rows a second, and the CPU time of this
// process and of the server for each row, in microseconds. With a Bare, each Write
// is followed by one of its, which is not timed with it, and ratio is what the
// sink takes for a row, in CPU time of both, to what that takes.
func Benchmark(b *testing.B, s Subject) {
	for _, l := range loads {
		b.Run(l.Name, func(b *testing.B) { benchmark(b, s, l) })
	}
}

// spent is CPU time, of this process and of the server.
type spent struct{ own, server time.Duration }

func (s *spent) add(before, after spent) {
	s.own += after.own - before.own
	s.server += after.server - before.server
}

func (s spent) report(b *testing.B, prefix string, rows int, server bool) {
	perRow := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(rows) }
	b.ReportMetric(perRow(s.own), prefix+"cpu-µs/row")
	if server {
		b.ReportMetric(perRow(s.server), prefix+"server-µs/row")
	}
}

func benchmark(b *testing.B, s Subject, l Load) {
	to := s.Open(b)
	now := func() spent {
		n := spent{own: cpu()}
		if s.Server != nil {
			n.server = s.Server()
		}
		return n
	}
	var bare func() error
	if s.Bare != nil {
		bare = s.Bare(b, l)
	}
	g := newGroup(l)
	var sinks, bares spent
	rows := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		g.next()
		start := now()
		b.StartTimer()
		_, err := to.Write(b.Context(), g.batches)
		b.StopTimer()
		end := now()
		if err != nil {
			b.Fatal(err)
		}
		sinks.add(start, end)
		if bare != nil {
			if err := bare(); err != nil {
				b.Fatal(err)
			}
			bares.add(end, now())
		}
		rows += groupSize
		b.StartTimer()
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
	sinks.report(b, "", rows, s.Server != nil)
	if bare != nil {
		bares.report(b, "bare-", rows, s.Server != nil)
		b.ReportMetric(float64(sinks.own+sinks.server)/float64(bares.own+bares.server), "ratio")
	}
}

// group is what is written next, as the engine makes it: the batches in the order
// of their ids, which are no neighbours in the tables.
type group struct {
	load    Load
	ids     []string
	data    []byte
	batches []engine.Batch
	done    int
}

func newGroup(l Load) *group {
	g := &group{load: l, data: []byte(`{"c":10000,"n":1000000000,"pad":"` + strings.Repeat("x", 50) + `"}`)}
	for i := range l.Streams {
		g.ids = append(g.ids, strconv.Itoa(1_000_000+i))
	}
	g.batches = make([]engine.Batch, groupSize/l.RowsEach)
	for i := range g.batches {
		g.batches[i].Messages = make([]engine.Message, l.RowsEach)
	}
	return g
}

func (g *group) next() {
	now := time.Now().UTC()
	turns := len(g.ids) / len(g.batches) // until every stream had one
	for i := range g.batches {
		b := &g.batches[i]
		b.ID = g.ids[g.done%turns+i*turns]
		for j := range b.Messages {
			b.Messages[j] = engine.Message{
				ID: b.ID, Seq: engine.FirstOwnSeq + int64(g.done)<<16 + int64(j), Op: "report",
				Time: sent, Received: now, Remote: "10.0.0.1:51234", Data: g.data,
			}
		}
	}
	g.done++
}

var sent = time.Date(2024, 5, 7, 3, 33, 20, 0, time.UTC)

// cpu is the time that this process has spent.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

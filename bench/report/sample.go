// Package report makes what the benchmarks have measured readable: medians, ratios
// within one round, the verdict on each target, tables and a chart.
package report

import (
	"slices"
	"time"

	"github.com/ingestd/ingestd/bench/ladder"
)

// Sample is what one run of a case gave.
type Sample struct {
	Messages int           `json:"messages"`
	Elapsed  time.Duration `json:"elapsed_ns"` // from the first message sent until the last was stored
	Daemon   time.Duration `json:"daemon_cpu_ns"`
	Client   time.Duration `json:"client_cpu_ns"`
	Database time.Duration `json:"database_cpu_ns"`
	Writer   time.Duration `json:"writer_cpu_ns,omitempty"` // the daemon that reads the stream which the other fills
	NATS     time.Duration `json:"nats_cpu_ns,omitempty"`   // all its servers
	Peak     int64         `json:"peak_bytes"`              // of the daemon

	P50      time.Duration `json:"p50_ns"` // from the receipt of a message until it is stored; 0: not measured
	P99      time.Duration `json:"p99_ns"`
	WriteP99 time.Duration `json:"write_p99_ns"` // of Sink.Write
	Objects  float64       `json:"objects"`      // that the daemon allocated for a message, in the second half
	Offered  float64       `json:"offered_rate,omitempty"`

	Carriers    int64 `json:"carriers,omitempty"`     // messages of JetStream that the stream has, or has had; 0: there is none
	StreamBytes int64 `json:"stream_bytes,omitempty"` // of it, on the disk of one server

	Ladder *Fate `json:"ladder,omitempty"`
}

// Fate is what became of the messages of a design of the ladder.
type Fate struct {
	ladder.Counts
	ladder.Counters
	Died string  `json:"died,omitempty"` // the last words of a process that ended by itself
	Rate float64 `json:"rate"`           // of the middle of the run
}

// Row is a case with its samples, one for each round.
type Row struct {
	Block   string   `json:"block"`
	Heading string   `json:"heading"` // of the block
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Samples []Sample `json:"samples"`
}

// Measure is a figure of a sample.
type Measure func(Sample) float64

// Rate is how many messages a second were stored.
func Rate(s Sample) float64 {
	if s.Ladder != nil {
		return s.Ladder.Rate
	}
	return float64(s.Messages) / s.Elapsed.Seconds()
}

// The CPU time of a message, in microseconds.
func DaemonCPU(s Sample) float64   { return perMessage(s.Daemon, s) }
func ClientCPU(s Sample) float64   { return perMessage(s.Client, s) }
func DatabaseCPU(s Sample) float64 { return perMessage(s.Database, s) }
func WriterCPU(s Sample) float64   { return perMessage(s.Writer, s) }
func NATSCPU(s Sample) float64     { return perMessage(s.NATS, s) }
func ServerCPU(s Sample) float64   { return perMessage(s.Daemon+s.Writer+s.NATS+s.Database, s) }

func perMessage(d time.Duration, s Sample) float64 {
	if s.Messages == 0 {
		return 0
	}
	return float64(d.Nanoseconds()) / 1e3 / float64(s.Messages)
}

// PerCarrier is how many messages a message of JetStream has.
func PerCarrier(s Sample) float64 {
	if s.Carriers == 0 {
		return 0
	}
	return float64(s.Messages) / float64(s.Carriers)
}

// StreamBytes is how much of a stream a message takes, on the disk of one server.
func StreamBytes(s Sample) float64 {
	if s.Messages == 0 {
		return 0
	}
	return float64(s.StreamBytes) / float64(s.Messages)
}

// PeakMB is the peak memory in millions of bytes.
func PeakMB(s Sample) float64 { return float64(s.Peak) / 1e6 }

// Objects is how many objects the daemon allocated for a message.
func Objects(s Sample) float64 { return s.Objects }

// Milliseconds makes a Measure of a duration.
func Milliseconds(of func(Sample) time.Duration) Measure {
	return func(s Sample) float64 { return float64(of(s).Nanoseconds()) / 1e6 }
}

// P50, P99 and WriteP99 are in milliseconds.
var (
	P50      = Milliseconds(func(s Sample) time.Duration { return s.P50 })
	P99      = Milliseconds(func(s Sample) time.Duration { return s.P99 })
	WriteP99 = Milliseconds(func(s Sample) time.Duration { return s.WriteP99 })
)

// Median is the median of a figure over the rounds.
func (r *Row) Median(f Measure) float64 {
	values := make([]float64, len(r.Samples))
	for i, s := range r.Samples {
		values[i] = f(s)
	}
	return median(values)
}

// median is the middle of the values, 0 of none.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	values = slices.Clone(values)
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

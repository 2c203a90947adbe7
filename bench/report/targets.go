package report

import (
	"fmt"
	"math"
)

// Target is what the program wants to reach, and what it did.
type Target struct {
	What    string  `json:"what"`
	Want    string  `json:"want"`
	Got     string  `json:"got"`   // in words, with what it comes from
	Figure  float64 `json:"value"` // the number that is compared
	Limit   float64 `json:"limit"`
	Verdict Verdict `json:"verdict"`
}

// Verdict says whether a target is met.
type Verdict string

// The verdicts. Open means that the run did not have what it needs.
const (
	Met    Verdict = "met"
	Missed Verdict = "not met"
	Open   Verdict = "not measured"
)

// Judge fills in the targets, and what hops cost.
func (r *Report) Judge() {
	all := targets
	if r.NATS {
		all = natsTargets
	}
	r.Targets, r.Hops = nil, r.measuredHops()
	for _, t := range all {
		target := Target{What: t.what, Want: t.want, Limit: t.limit, Verdict: Open}
		if figure, got, ok := t.figure(r); ok && !math.IsNaN(figure) && !math.IsInf(figure, 0) {
			target.Figure, target.Got, target.Verdict = figure, got, Missed
			if t.least && figure >= t.limit || !t.least && figure <= t.limit {
				target.Verdict = Met
			}
		}
		r.Targets = append(r.Targets, target)
	}
}

// target is a figure that must be at most its limit, or at least.
type target struct {
	what, want string
	limit      float64
	least      bool
	figure     func(*Report) (figure float64, got string, ok bool)
}

// targets are those of the project.
var targets = []target{
	{
		"websocket to discard, one message a frame: daemon CPU a message",
		"at most 1.5 × the bare read loop plus decoder", 1.5, false,
		cpuRatio("receive", "discard", DaemonCPU, "read-decode"),
	},
	{
		"websocket to SQLite (FULL), 1,000 ids, batches of 10: daemon CPU a message",
		"at most 1.3 × (bare read loop + decoder + bare bulk insert)", 1.3, false,
		cpuRatio("sqlite", "sqlite", DaemonCPU, "read-decode", "bulk-10"),
	},
	{
		"websocket to MariaDB, the same: daemon plus database CPU a message",
		"at most 1.3 × (bare read loop + decoder + bare bulk insert)", 1.3, false,
		cpuRatio("mariadb", "mariadb", ServerCPU, "read-decode", "bulk-10"),
	},
	{
		"the same against the ladder's repaired dynamic channels: messages a second",
		"at least 8 ×, with none lost or out of order", 8, true,
		rateRatio("ladder", "mariadb", "channels-repaired"),
	},
	{
		"the same against them with bulk statements, the best we could make of that design",
		"at least 8 ×, with none lost or out of order", 8, true,
		rateRatio("ladder", "mariadb", "channels-bulk"),
	},
	{
		"50 messages a frame against one, into SQLite: messages a second",
		"at least 2 ×", 2, true, rateRatio("sqlite", "sqlite-50", "sqlite"),
	},
	{
		"one hot id with all the traffic, into SQLite: messages a second",
		"not slower than 1,000 ids", 1, true, rateRatio("sqlite", "sqlite-hot", "sqlite"),
	},
	added("discard", "receive", "discard"), kept("discard", "receive", "discard"),
	added("SQLite", "sqlite", "sqlite"), kept("SQLite", "sqlite", "sqlite"),
	added("MariaDB", "mariadb", "mariadb"), kept("MariaDB", "mariadb", "mariadb"),
	{
		"allocations a message, at 1,000 ids, in steady state: all of the daemon, into discard",
		"0, that is fewer than 1 in 100 messages", 0.01, false,
		func(r *Report) (float64, string, bool) {
			row := r.row("receive", "discard")
			if row == nil {
				return 0, "", false
			}
			v := row.Median(Objects)
			return v, fmt.Sprintf("%.3f", v), true
		},
	},
	stage("a collecting lane with one message of 150 B: memory beside the message", "at most 600 B", 600,
		"%.0f B", "TestMemoryOfALane collecting"),
	stage("the same while its goroutine delivers", "at most 3.5 KiB", 3584,
		"%.0f B", "TestMemoryOfALane collecting", "TestMemoryOfALane delivering"),
	stage("the same after it retires", "nothing", 0,
		"%.0f B", "TestMemoryOfALane left"),
	stage("1,000,000 sparse ids, one message each: router, CPU a message", "at most 6 µs", 6,
		"%.2f µs", "BenchmarkSparse cpu-µs/op"),
	{
		"the same, whole path to SQLite: daemon CPU a message", "at most 2 × that of 1,000 ids", 2, false,
		cpuRatio("ids", "ids-1000000", DaemonCPU, "ids-1000"),
	},
	{
		"the same: memory at the peak", "under 2 GiB", 2 << 10, false,
		func(r *Report) (float64, string, bool) {
			row := r.row("ids", "ids-1000000")
			if row == nil {
				return 0, "", false
			}
			mib := row.Median(func(s Sample) float64 { return float64(s.Peak) / (1 << 20) })
			return mib, fmt.Sprintf("%.0f MiB", mib), true
		},
	},
	{
		"10,000 connections, into discard: daemon CPU a message",
		"at most 1.3 × the bare read loop plus decoder at 10,000 connections", 1.3, false,
		cpuRatio("connections", "discard-10000", DaemonCPU, "read-decode-10000"),
	},
	{
		"p99 receive-to-stored at half of full load, batch_wait=50ms, SQLite",
		"at most 50 ms plus 3 × the p99 of Sink.Write in the same run", 0, false, latency,
	},
}

// cpuRatio is what a case costs by what others cost together, in the same round.
func cpuRatio(block, name string, cost Measure, base ...string) func(*Report) (float64, string, bool) {
	return func(r *Report) (float64, string, bool) {
		row := r.row(block, name)
		parts := make([]*Row, len(base))
		for i, b := range base {
			parts[i] = r.row(block, b)
		}
		ratio, ok := perRound(row, parts, func(s Sample, of []Sample) float64 {
			sum := 0.0
			for _, b := range of {
				sum += cost(b)
			}
			return cost(s) / sum
		})
		if !ok {
			return 0, "", false
		}
		sum := 0.0
		for _, p := range parts {
			sum += p.Median(cost)
		}
		return ratio, fmt.Sprintf("%.2f × (%.2f µs against %.2f)", ratio, row.Median(cost), sum), true
	}
}

// rateRatio is the rate of a case by that of another, in the same round.
func rateRatio(block, name, base string) func(*Report) (float64, string, bool) {
	return func(r *Report) (float64, string, bool) {
		a, b := r.row(block, name), r.row(block, base)
		ratio, ok := perRound(a, []*Row{b}, func(s Sample, of []Sample) float64 { return Rate(s) / Rate(of[0]) })
		if !ok {
			return 0, "", false
		}
		return ratio, fmt.Sprintf("%.2f × (%s a second against %s)", ratio,
			number(a.Median(Rate), 0), number(b.Median(Rate), 0)), true
	}
}

// perRound is the median over the rounds that all rows have.
func perRound(row *Row, base []*Row, f func(Sample, []Sample) float64) (float64, bool) {
	if row == nil {
		return 0, false
	}
	rounds := len(row.Samples)
	for _, b := range base {
		if b == nil {
			return 0, false
		}
		rounds = min(rounds, len(b.Samples))
	}
	if rounds == 0 {
		return 0, false
	}
	values := make([]float64, rounds)
	for i := range values {
		of := make([]Sample, len(base))
		for k, b := range base {
			of[k] = b.Samples[i]
		}
		values[i] = f(row.Samples[i], of)
	}
	return median(values), true
}

// added is what the spool adds to the CPU of a message.
func added(to, block, name string) target {
	return target{
		"the spool (synced) added to " + to + ": daemon CPU a message", "at most 1.0 µs more", 1, false,
		func(r *Report) (float64, string, bool) {
			with, without := r.row(block, name+"-spool"), r.row(block, name)
			more, ok := perRound(with, []*Row{without}, func(s Sample, of []Sample) float64 {
				return DaemonCPU(s) - DaemonCPU(of[0])
			})
			if !ok {
				return 0, "", false
			}
			return more, fmt.Sprintf("%.2f µs more (%.2f against %.2f)", more,
				with.Median(DaemonCPU), without.Median(DaemonCPU)), true
		},
	}
}

// kept is what the spool leaves of the rate.
func kept(to, block, name string) target {
	return target{
		"the same: messages a second", "at least 70 % of those without it", 0.7, true,
		rateRatio(block, name+"-spool", name),
	}
}

// stage is the sum of figures of Go benchmarks and tests.
func stage(what, want string, limit float64, format string, names ...string) target {
	return target{what, want, limit, false, func(r *Report) (float64, string, bool) {
		sum := 0.0
		for _, name := range names {
			v, ok := r.Stages[name]
			if !ok {
				return 0, "", false
			}
			sum += v
		}
		return sum, fmt.Sprintf(format, sum), true
	}}
}

// latency is by how much the p99 is above what it may be, in milliseconds.
func latency(r *Report) (float64, string, bool) {
	row := r.row("latency", "half")
	over, ok := perRound(row, nil, func(s Sample, _ []Sample) float64 { return P99(s) - 50 - 3*WriteP99(s) })
	if !ok {
		return 0, "", false
	}
	p99, write := row.Median(P99), row.Median(WriteP99)
	side := "above"
	if over < 0 {
		side = "below"
	}
	return over, fmt.Sprintf("%.0f ms %s it in the median round (%.0f ms; 50 + 3 × %.1f = %.0f), at %s a second",
		math.Abs(over), side, p99, write, 50+3*write, number(row.Median(Rate), 0)), true
}

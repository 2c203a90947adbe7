package report

// Hop is what a part of a longer way adds to the CPU of a message: that of all
// servers, in microseconds, against the way without it in the same round.
type Hop struct {
	What    string  `json:"what"`
	Against string  `json:"against"`
	Base    float64 `json:"base_us"` // what that costs
	More    float64 `json:"more_us"`
	Times   float64 `json:"times"` // both together by the base
}

// hops are those of the layout with NATS.
var hops = []struct{ what, against, block, name, base string }{
	{"to publish, one server that syncs", "discard", "nats-edge", "nats", "discard"},
	{"to publish, one server", "discard", "nats-edge", "nats-lazy", "discard"},
	{"to publish, three servers that sync", "discard", "nats-edge", "nats-3", "discard"},
	{"to publish, three servers", "discard", "nats-edge", "nats-3-lazy", "discard"},
	{"to sync each write", "one server that does not", "nats-edge", "nats", "nats-lazy"},
	{"to have three replicas", "one, each synced", "nats-edge", "nats-3", "nats"},
	{"to read a stream into SQLite", "a websocket into SQLite", "nats-writer", "writer-sqlite", "sqlite"},
	{"to read a stream into MariaDB", "a websocket into MariaDB", "nats-writer", "writer-mysql", "mysql"},
	{"edge, one server that syncs, writer", "one daemon into MariaDB", "nats-chain", "chain", "mysql"},
	{"the same at half of its full load", "one daemon at the same load", "nats-chain", "chain-half", "mysql-half"},
	{"edge, three servers that sync, writer", "one daemon into MariaDB", "nats-chain", "chain-3", "mysql"},
}

// measuredHops are those of which the run has both ways.
func (r *Report) measuredHops() (all []Hop) {
	for _, h := range hops {
		row, base := r.row(h.block, h.name), r.row(h.block, h.base)
		more, ok := perRound(row, []*Row{base}, func(s Sample, of []Sample) float64 { return ServerCPU(s) - ServerCPU(of[0]) })
		if !ok {
			continue
		}
		times, _ := perRound(row, []*Row{base}, func(s Sample, of []Sample) float64 { return ServerCPU(s) / ServerCPU(of[0]) })
		all = append(all, Hop{What: h.what, Against: h.against, Base: base.Median(ServerCPU), More: more, Times: times})
	}
	return all
}

// natsTargets are those of the layout with NATS.
var natsTargets = []target{
	{
		"websocket into one NATS server that syncs each write: messages a second",
		"at least 50,000", 50_000, true, figure("nats-edge", "nats", Rate, 0),
	},
	{
		"the same: messages that one publish carries",
		"many: at least 20", 20, true, figure("nats-edge", "nats", PerCarrier, 0),
	},
}

// figure is the median of a case.
func figure(block, name string, of Measure, digits int) func(*Report) (float64, string, bool) {
	return func(r *Report) (float64, string, bool) {
		row := r.row(block, name)
		if row == nil {
			return 0, "", false
		}
		v := row.Median(of)
		return v, number(v, digits), true
	}
}

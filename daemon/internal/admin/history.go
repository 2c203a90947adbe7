package admin

import (
	"math"
	"sync"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
)

// The history has a point a second, for a quarter of an hour.
const (
	interval = time.Second
	points   = 900
)

// Over how many seconds rates are taken, and latencies.
const (
	rateOver    = 10
	latencyOver = 60
)

// Sample is what the daemon has counted, and how it is, at one moment.
type Sample struct {
	Received, Stored, DeadLettered uint64
	Flushes                        engine.Flushes

	Pending, Connections, Streams, Spool int64

	StoredAfter, Writes, Syncs engine.Histogram

	Refused map[Refusal]uint64
}

// Refusal is what was refused, and why.
type Refusal struct{ What, Why string }

// seriesCount is how many series there are.
var series = api.Series()

// history remembers points. It takes as much memory however long it runs.
type history struct {
	mu      sync.Mutex
	ring    [points][]float32 // by series; nil: there is none
	next    int               // where the next one goes
	end     time.Time         // of the last one; zero: there is none
	samples [latencyOver + 1]taken
	latest  int
}

// taken is a sample with the moment at which it was taken.
type taken struct {
	Sample
	at time.Time // zero: there is none
}

// add makes a point of what has happened since the sample before. Seconds that were
// missed, as when the machine slept, are points without anything.
func (h *history) add(at time.Time, s Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.samples[h.latest]
	h.latest = (h.latest + 1) % len(h.samples)
	h.samples[h.latest] = taken{s, at}
	if !h.end.IsZero() {
		missed := int(at.Sub(h.end).Round(interval)/interval) - 1
		for range min(missed, points) {
			h.ring[h.next] = nil
			h.next = (h.next + 1) % points
		}
	}
	h.end = at
	h.ring[h.next] = point(h.ring[h.next], before, taken{s, at})
	h.next = (h.next + 1) % points
}

// point makes the values of all series, in the order of api.Series.
func point(into []float32, before, now taken) []float32 {
	nan := float32(math.NaN())
	rate := func(a, b uint64) float32 {
		seconds := now.at.Sub(before.at).Seconds()
		if before.at.IsZero() || seconds <= 0 || b < a {
			return nan
		}
		return float32(float64(b-a) / seconds)
	}
	after, writes := now.StoredAfter, now.Writes
	if !before.at.IsZero() {
		after, writes = now.StoredAfter.Sub(before.StoredAfter), now.Writes.Sub(before.Writes)
	}
	f, g := &before.Flushes, &now.Flushes
	return append(into[:0],
		rate(before.Received, now.Received), rate(before.Stored, now.Stored), rate(before.DeadLettered, now.DeadLettered),
		float32(now.Pending), float32(now.Connections), float32(now.Streams), float32(now.Spool),
		float32(after.Quantile(0.5)), float32(after.Quantile(0.99)), float32(writes.Quantile(0.99)),
		rate(f.Count, g.Count), rate(f.Bytes, g.Bytes), rate(f.Linger, g.Linger), rate(f.Flush, g.Flush),
		rate(f.Done, g.Done), rate(f.Disconnect, g.Disconnect), rate(f.Pressure, g.Pressure), rate(f.Drain, g.Drain),
	)
}

// history gives all of it.
func (h *history) history() api.History {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := api.History{End: api.At(h.end), Interval: int(interval / time.Second), Points: points, Series: make(map[string][]api.Number, len(series))}
	for i, name := range series {
		values := make([]api.Number, points)
		for k := range values {
			values[k] = valueAt(h.ring[(h.next+k)%points], i)
		}
		all.Series[name] = values
	}
	return all
}

// last gives the newest point.
func (h *history) last() api.Point {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := make(api.Point, len(series))
	for i, name := range series {
		p[name] = valueAt(h.ring[(h.next+points-1)%points], i)
	}
	return p
}

func valueAt(point []float32, i int) api.Number {
	if point == nil {
		return api.None()
	}
	return api.Number(point[i])
}

// since gives the newest sample and the one of so many seconds ago, or the oldest
// that there is. ok is false where there are not two.
func (h *history) since(seconds int) (before, now taken, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now = h.samples[h.latest]
	for back := min(seconds, len(h.samples)-1); back > 0; back-- {
		before = h.samples[(h.latest+len(h.samples)-back)%len(h.samples)]
		if !before.at.IsZero() {
			return before, now, true
		}
	}
	return before, now, false
}

// MinuteAgo gives the sample of a minute ago. Nothing had happened then where the
// daemon has not run for so long.
func (s *Server) MinuteAgo() Sample { return s.history.minuteAgo() }

func (h *history) minuteAgo() Sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.samples[(h.latest+1)%len(h.samples)].Sample
}

// rates are messages a second.
func (h *history) rates() api.Rates {
	before, now, ok := h.since(rateOver)
	if !ok {
		return api.Rates{Received: api.None(), Stored: api.None()}
	}
	seconds := now.at.Sub(before.at).Seconds()
	rate := func(a, b uint64) api.Number { return api.Number(float64(b-a) / seconds) }
	return api.Rates{Received: rate(before.Received, now.Received), Stored: rate(before.Stored, now.Stored)}
}

// latency tells how long things have taken of late.
func (h *history) latency() api.Latency {
	before, now, ok := h.since(latencyOver)
	of := func(a, b engine.Histogram) api.Percentiles {
		if !ok {
			return api.Percentiles{P50: api.None(), P99: api.None()}
		}
		d := b.Sub(a)
		return api.Percentiles{P50: api.Number(d.Quantile(0.5)), P99: api.Number(d.Quantile(0.99))}
	}
	return api.Latency{
		Stored: of(before.StoredAfter, now.StoredAfter),
		Write:  of(before.Writes, now.Writes),
		Sync:   of(before.Syncs, now.Syncs),
	}
}

package admin

import (
	"testing"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/engine"
)

func TestHistory(t *testing.T) {
	h := &history{}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	after := func(n uint64) engine.Histogram {
		return engine.Histogram{Bounds: []float64{1, 2}, Counts: []uint64{0, n, 0}}
	}
	if r := h.rates(); r.Received.Known() {
		t.Errorf("rates of nothing: %v", r)
	}
	h.add(at(0), Sample{Received: 100, Pending: 3})
	h.add(at(1), Sample{Received: 110, Pending: 4, StoredAfter: after(5)})
	h.add(at(5), Sample{Received: 150, Pending: 5, StoredAfter: after(5)}) // it was late
	all := h.history()
	if len(all.Series) != len(api.Series()) || all.Points != points || !all.End.Equal(at(5)) {
		t.Errorf("%d series, %d points, end %v", len(all.Series), all.Points, all.End)
	}
	const none = -1
	for name, want := range map[string][]api.Number{
		api.Received:  {none, none, 10, none, none, none, 10},
		api.Pending:   {none, 3, 4, none, none, none, 5},
		api.StoredP50: {none, none, 1.5, none, none, none, none},
		api.FlushDone: {none, none, 0, none, none, none, 0},
	} {
		values := all.Series[name]
		if len(values) != points {
			t.Fatalf("%s has %d points", name, len(values))
		}
		for i, v := range values[points-len(want):] {
			if v.Known() != (want[i] != none) || v.Known() && v != want[i] {
				t.Errorf("%s: point %d is %v, want %v", name, i, v, want[i])
			}
		}
	}
	if p := h.last(); p[api.Received] != 10 || len(p) != len(api.Series()) {
		t.Errorf("the last point is %v", p)
	}
	if r := h.rates(); r.Received != 10 {
		t.Errorf("rates are %v", r)
	}
	if s := h.minuteAgo(); s.Received != 0 {
		t.Errorf("a minute before the start it was %+v", s)
	}
	if l := h.latency(); l.Stored.P50 != 1.5 || l.Sync.P99.Known() {
		t.Errorf("latencies are %v", l)
	}
	// However long it runs, and the machine sleeps, it has as many points.
	for i := range 2 * points {
		h.add(at(10+i), Sample{Received: uint64(150 + i), StoredAfter: after(5)})
	}
	if v := h.history().Series[api.Received]; v[0] != 1 || v[points-1] != 1 {
		t.Errorf("a full history begins with %v and ends with %v", v[0], v[points-1])
	}
	if s, want := h.minuteAgo(), uint64(150+2*points-1-latencyOver); s.Received != want {
		t.Errorf("a minute ago %d were received, not %d", s.Received, want)
	}
	h.add(at(100*points), Sample{Received: 5000, StoredAfter: after(5)})
	if v := h.history().Series[api.Pending]; v[points-2].Known() || !v[points-1].Known() {
		t.Errorf("after a long sleep it ends with %v", v[points-2:])
	}
}

package nats

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingestd/ingestd/internal/jet"
)

// model is a window that keeps everything and counts it anew each time.
type model struct{ all []modelled }

type modelled struct {
	carrier
	left  int
	stuck bool
}

// floor is the sequence before the first carrier that is not settled, and the flows up
// to there.
func (m *model) floor(before uint64) (uint64, flows) {
	f := make(flows)
	for _, c := range m.all {
		if c.left > 0 || c.stuck {
			break
		}
		before = c.seq
		if c.ours {
			f.pass(c.header, c.at)
		}
	}
	return before, f
}

// The floor is behind the last carrier before which everything is settled, in whatever
// order that was; and never moves back.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := window{floor: 100, flows: make(flows)}
		var m model
		seq := uint64(100)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				seq += rapid.Uint64Range(1, 9).Draw(t, "gap")
				c := carrier{
					seq: seq, at: testTime.Add(time.Duration(seq) * time.Second), ours: rapid.Bool().Draw(t, "ours"),
					header: jet.Header{Flow: rapid.Uint64Range(1, 3).Draw(t, "flow"), N: seq},
					left:   rapid.SampledFrom([]int{0, 1, 1, 2, 7}).Draw(t, "messages"),
				}
				if place := w.add(c); place != int64(len(m.all)) {
					t.Fatalf("the place is %d, not %d", place, len(m.all))
				}
				m.all = append(m.all, modelled{carrier: c, left: c.left})
				w.note(int64(len(m.all)-1), appendID(nil, "x"))
			},
			"settle": func(t *rapid.T) {
				i := rapid.IntRange(0, max(0, len(m.all)-1)).Draw(t, "place")
				if len(m.all) == 0 || m.all[i].left == 0 {
					return
				}
				c := &m.all[i]
				n := rapid.IntRange(1, c.left).Draw(t, "n")
				ok := rapid.IntRange(0, 19).Draw(t, "ok") > 0
				c.left -= n
				c.stuck = c.stuck || !ok
				if last := w.settle(int64(i), n, ok); last != (c.left == 0) {
					t.Fatalf("last is %v of %d", last, c.left)
				}
			},
			"": func(t *rapid.T) {
				before := w.floor
				moved := w.advance()
				floor, f := m.floor(100)
				open, ids := 0, 0
				for _, c := range m.all {
					if c.left > 0 {
						open++
						ids += 2
					}
				}
				if w.floor != floor || moved != (floor != before) || w.open != open || w.ids != ids || len(w.flows) != len(f) {
					t.Fatalf("floor %d, moved %v, open %d, ids %d; want %d, %v, %d, %d", w.floor, moved, w.open, w.ids, floor, floor != before, open, ids)
				}
				for flow, mark := range f {
					if w.flows[flow] != mark {
						t.Fatalf("flow %d is at %v, not %v", flow, w.flows[flow], mark)
					}
				}
			},
		})
	})
}

// A window gives the streams of what is not settled, and knows when it is full.
func TestWindowStreams(t *testing.T) {
	var w window
	w.flows = make(flows)
	for i, id := range []string{"a", "b", "a", "c"} {
		w.note(w.add(carrier{seq: uint64(i + 1), left: 1}), appendID(appendID(nil, id), ""))
	}
	w.settle(1, 1, true)
	ids := w.streams()
	if _, b := ids["b"]; len(ids) != 2 || b {
		t.Error("streams:", ids)
	}
	for !w.full() {
		w.add(carrier{left: 1})
	}
	if w.len() != mostCarriers || w.roomy() {
		t.Error("full with", w.len())
	}
	big := slices.Repeat([]byte{1, 'x'}, mostIDs/2)
	w = window{flows: make(flows)}
	w.note(w.add(carrier{left: 1}), big)
	if !w.full() || w.roomy() {
		t.Error("not full of ids")
	}
	if w.settle(0, 1, true); w.full() || !w.roomy() {
		t.Error("full of nothing")
	}
}

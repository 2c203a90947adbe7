package admin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/ingestd/ingestd/engine"
)

// routerFunc is a Router that is a function.
type routerFunc func(m engine.Message) error

func (f routerFunc) Route(_ context.Context, m engine.Message, _ engine.Producer) error { return f(m) }

func accepts(engine.Message) error { return nil }

var wide = Bounds{Messages: 100, Bytes: 1 << 20, Data: 1 << 10}

func route(t *testing.T, r engine.Router, m engine.Message) {
	t.Helper()
	if err := r.Route(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
}

func TestTapShowsWhatIsAccepted(t *testing.T) {
	no := errors.New("no")
	tap := NewTap(routerFunc(func(m engine.Message) error {
		if m.Op == "refused" {
			return no
		}
		return nil
	}))
	route(t, tap, engine.Message{ID: "before", Data: []byte("1")})
	all := tap.Look(wide)
	one := wide
	one.ID = "b"
	some := tap.Look(one)
	data := []byte("[1]")
	route(t, tap, engine.Message{ID: "a", Data: data, Seq: 7, Sender: "me"})
	copy(data, "XXX") // it is the caller's again
	route(t, tap, engine.Message{ID: "b", Kind: engine.Done})
	for _, k := range []engine.Kind{engine.Flush, engine.Disconnect, engine.Resume} {
		route(t, tap, engine.Message{ID: "b", Kind: k})
	}
	if err := tap.Route(t.Context(), engine.Message{ID: "b", Op: "refused"}, nil); !errors.Is(err, no) {
		t.Errorf("the refusal is %v", err)
	}
	<-all.Ready()
	seen, dropped := all.Take()
	if len(seen) != 2 || dropped != 0 || seen[0].ID != "a" || string(seen[0].Data) != "[1]" || seen[0].Seq != 7 || seen[0].Sender != "me" || seen[1].Kind != engine.Done {
		t.Errorf("seen %+v, %d dropped", seen, dropped)
	}
	if seen, _ := some.Take(); len(seen) != 1 || seen[0].ID != "b" {
		t.Errorf("of b, seen %+v", seen)
	}
	all.Close()
	route(t, tap, engine.Message{ID: "b"})
	if seen, _ := all.Take(); len(seen) != 0 {
		t.Errorf("closed, and sees %+v", seen)
	}
	if seen, _ := some.Take(); len(seen) != 1 {
		t.Errorf("the other is closed too: %+v", seen)
	}
	some.Close()
	if tap.looked.Load() != nil {
		t.Error("nobody looks, and it costs something still")
	}
}

func TestTapIsBounded(t *testing.T) {
	for _, c := range []struct {
		bounds  Bounds
		seen    int
		dropped uint64
	}{
		{Bounds{Messages: 2, Bytes: 1000, Data: 100}, 2, 3},
		{Bounds{Messages: 100, Bytes: 10, Data: 100}, 2, 3},
		{Bounds{Messages: 100, Bytes: 10, Data: 2}, 5, 0},
	} {
		tap := NewTap(routerFunc(accepts))
		look := tap.Look(c.bounds)
		for range 5 {
			route(t, tap, engine.Message{ID: "a", Data: []byte("123")})
		}
		seen, dropped := look.Take()
		if len(seen) != c.seen || dropped != c.dropped {
			t.Errorf("%+v: seen %d, %d dropped, want %d and %d", c.bounds, len(seen), dropped, c.seen, c.dropped)
		}
		if cut := c.bounds.Data < 3; seen[0].Cut != cut || (seen[0].Data == nil) != cut {
			t.Errorf("%+v: large data is not left out, or other data is: %+v", c.bounds, seen[0])
		}
		route(t, tap, engine.Message{ID: "a", Data: []byte("123")})
		if seen, dropped := look.Take(); len(seen) != 1 || dropped != 0 {
			t.Errorf("%+v: after it was read, seen %d, %d dropped", c.bounds, len(seen), dropped)
		}
		look.Close()
	}
}

// However many look, come and go, each sees the messages of a stream in order.
func TestTapConcurrently(t *testing.T) {
	tap := NewTap(routerFunc(accepts))
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			for seq := range 1000 {
				_ = tap.Route(context.Background(), engine.Message{ID: fmt.Sprint(i), Seq: int64(seq + 1)}, nil)
			}
		})
		work.Go(func() {
			for range 20 {
				l := tap.Look(wide)
				last := map[string]int64{}
				for range 5 {
					seen, _ := l.Take()
					for _, m := range seen {
						if m.Seq <= last[m.ID] {
							t.Errorf("%s: %d after %d", m.ID, m.Seq, last[m.ID])
						}
						last[m.ID] = m.Seq
					}
				}
				l.Close()
			}
		})
	}
	work.Wait()
}

// BenchmarkTap compares Route with and without a tap that nobody looks at.
func BenchmarkTap(b *testing.B) {
	var direct engine.Router = routerFunc(accepts)
	for _, c := range []struct {
		name   string
		router engine.Router
	}{{"without", direct}, {"with", NewTap(direct)}} {
		b.Run(c.name, func(b *testing.B) {
			m := engine.Message{ID: "a", Data: []byte("1")}
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				_ = c.router.Route(ctx, m, nil)
			}
		})
	}
}

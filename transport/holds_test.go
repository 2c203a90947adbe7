package transport

import (
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// The model: who holds each stream, and whether it is open. A stream is ended
// exactly when its last holder leaves it while it is open and nobody came in the
// grace.
func TestHoldsAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := NewHolds()
		type senders map[int]*hold
		held := map[string]senders{}
		open := map[string]bool{}
		type grace struct {
			x   *hold
			gen uint64
			id  string
		}
		var waiting []grace
		inGrace := map[string]bool{}
		ended := map[string]int{}
		wantEnded := map[string]int{}
		id := rapid.SampledFrom([]string{"a", "b", "c"})
		conn := rapid.IntRange(1, 3)
		t.Repeat(map[string]func(*rapid.T){
			"report": func(t *rapid.T) {
				id, c := id.Draw(t, "id"), conn.Draw(t, "conn")
				if held[id] == nil {
					held[id] = senders{}
				}
				if held[id][c] == nil {
					held[id][c] = h.take(id)
				}
				held[id][c].open.Store(true)
				open[id] = true
				inGrace[id] = false
			},
			"done": func(t *rapid.T) {
				id, c := id.Draw(t, "id"), conn.Draw(t, "conn")
				if held[id][c] != nil {
					held[id][c].open.Store(false)
					open[id] = false
				}
			},
			"evict": func(t *rapid.T) {
				id, c := id.Draw(t, "id"), conn.Draw(t, "conn")
				if x := held[id][c]; x != nil {
					h.drop(x)
					delete(held[id], c)
					if len(held[id]) == 0 {
						open[id] = false
					}
				}
			},
			"disconnect": func(t *rapid.T) {
				id, c := id.Draw(t, "id"), conn.Draw(t, "conn")
				x := held[id][c]
				if x == nil {
					return
				}
				delete(held[id], c)
				gen, last := h.leave(x)
				if want := len(held[id]) == 0 && open[id]; last != want {
					t.Fatalf("last is %v, want %v", last, want)
				}
				if last {
					waiting = append(waiting, grace{x, gen, id})
					inGrace[id] = true
				}
			},
			"grace ends": func(t *rapid.T) {
				if len(waiting) == 0 {
					return
				}
				g := waiting[0]
				waiting = waiting[1:]
				latest := true
				for _, other := range waiting {
					latest = latest && other.id != g.id
				}
				if inGrace[g.id] && latest {
					wantEnded[g.id]++
					inGrace[g.id], open[g.id] = false, false
				}
				h.end(g.x, g.gen, func(id string) { ended[id]++ })
				for id, n := range wantEnded {
					if ended[id] != n {
						t.Fatalf("%s ended %d times, want %d", id, ended[id], n)
					}
				}
			},
		})
		for _, g := range waiting {
			h.abandon(g.x, g.gen)
		}
		for _, s := range held {
			for _, x := range s {
				h.drop(x)
			}
		}
		if n := h.len(); n != 0 {
			t.Fatalf("%d streams are left", n)
		}
	})
}

// What a new sender routes is never overtaken by the end that an old one caused.
func TestHoldsEndBeforeTheNextSender(t *testing.T) {
	h := NewHolds()
	x := h.take("a")
	x.open.Store(true)
	gen, last := h.leave(x)
	if !last {
		t.Fatal("it was the last")
	}
	var order []string
	inside, taken := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		h.end(x, gen, func(string) {
			close(inside)
			for range 1000 {
				select {
				case <-taken:
					t.Error("taken while it is being ended")
				default:
				}
			}
			order = append(order, "end")
		})
	})
	<-inside
	y := h.take("a")
	close(taken)
	order = append(order, "report")
	group.Wait()
	if len(order) != 2 || order[0] != "end" || y == x || y.open.Load() {
		t.Error(order)
	}
	h.drop(y)
}

func TestHoldsConcurrently(t *testing.T) {
	h := NewHolds()
	var mu sync.Mutex
	routed := map[string]string{} // the last of each stream
	var group sync.WaitGroup
	for c := range 8 {
		group.Go(func() {
			for i := range 2000 {
				id := string(rune('a' + (c+i)%5))
				x := h.take(id)
				x.open.Store(true)
				mu.Lock()
				routed[id] = "report"
				mu.Unlock()
				if gen, last := h.leave(x); last {
					h.end(x, gen, func(id string) {
						mu.Lock()
						defer mu.Unlock()
						routed[id] = "end"
					})
				}
			}
		})
	}
	group.Wait()
	for id, last := range routed {
		if last != "end" {
			t.Errorf("%s was left open", id)
		}
	}
	if n := h.len(); n != 0 {
		t.Errorf("%d streams are left", n)
	}
}

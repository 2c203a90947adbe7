package transport

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"pgregory.net/rapid"

	"github.com/ingestd/ingestd/engine"
)

// How many streams may have messages outstanding says nothing of how many idle ones
// are remembered: the gap of one outlives others that come and go.
func TestTableIsFull(t *testing.T) {
	tab := newTable(nil, 2)
	a, b := tab.pin("a"), tab.pin("b")
	for id, want := range map[string]bool{"a": false, "b": false, "c": true} {
		if got := tab.full(id); got != want {
			t.Errorf("full for %q: %v", id, got)
		}
	}
	a.gap = 5
	tab.settle(a, 1)
	if tab.full("c") {
		t.Error("full for c, with one outstanding")
	}
	c := tab.pin("c")
	if !tab.full("a") {
		t.Error("not full for an idle stream")
	}
	tab.settle(b, 1)
	tab.settle(c, 1)
	for i := range 10 {
		tab.settle(tab.pin(strconv.Itoa(i)), 1)
	}
	if tab.m["a"] != a || a.gap != 5 {
		t.Error("the gap is forgotten")
	}
}

func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		holds := NewHolds()
		tab := newTable(holds, 0)
		tab.max = 4
		outstanding := map[string]int{}
		var idle []string // longest idle first, the model
		forget := func(id string) {
			for i, have := range idle {
				if have == id {
					idle = append(idle[:i:i], idle[i+1:]...)
					return
				}
			}
		}
		id := rapid.StringMatching(`[a-h]`)
		t.Repeat(map[string]func(*rapid.T){
			"pin": func(t *rapid.T) {
				id := id.Draw(t, "id")
				forget(id)
				s := tab.pin(id)
				if s.hold == nil {
					s.hold = holds.take(s.id)
				}
				outstanding[id]++
			},
			"settle": func(t *rapid.T) {
				id := id.Draw(t, "id")
				n := outstanding[id]
				if n == 0 {
					return
				}
				n = rapid.IntRange(1, n).Draw(t, "n")
				if outstanding[id] -= n; outstanding[id] == 0 {
					delete(outstanding, id)
					idle = append(idle, id)
				}
				tab.settle(tab.m[id], n)
			},
			"": func(t *rapid.T) {
				for len(idle) > 0 && len(idle)+len(outstanding) > tab.max {
					idle = idle[1:]
				}
				if len(tab.m) != len(idle)+len(outstanding) || holds.len() != len(tab.m) {
					t.Fatalf("%d streams, %d holds; want idle %v and %v", len(tab.m), holds.len(), idle, outstanding)
				}
				for _, id := range idle {
					if tab.m[id] == nil {
						t.Fatalf("%s is forgotten; want %v", id, idle)
					}
				}
			},
		})
	})
}

// instant settles a message before Route returns, as an engine may.
type instant struct{}

func (instant) Route(_ context.Context, m engine.Message, p engine.Producer) error {
	if p != nil {
		p.Settled([]engine.Message{m}, engine.Result{}, nil)
	}
	return nil
}

// A million ids over one connection: memory stays bounded, and every id is acked.
func TestMillionIDs(t *testing.T) {
	n := 1_000_000
	if testing.Short() || raceEnabled {
		n = 100_000
	}
	w, err := ListenWebSocket(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- w.Serve(ctx, instant{}) }()
	conn, _, err := websocket.Dial(ctx, w.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		acked := make([]bool, n)
		for range n {
			_, b, err := conn.Read(ctx)
			text, _ := strings.CutPrefix(string(b), `{"op":"ack","id":`)
			text, _ = strings.CutSuffix(text, `,"seq":1}`)
			id, malformed := strconv.Atoi(text)
			if err != nil || malformed != nil || acked[id] {
				t.Errorf("%s %v", b, err)
				return
			}
			acked[id] = true
		}
	})
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"id":%d,"seq":1}`, i)
		if i%100 == 99 {
			if err := conn.Write(ctx, websocket.MessageText, []byte(b.String())); err != nil {
				t.Fatal(err)
			}
			b.Reset()
		}
	}
	group.Wait()
	if held := w.Stats().Held; held > maxStreams {
		t.Errorf("%d streams are held", held)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 100<<20 {
		t.Errorf("%d MiB are in use", m.HeapAlloc>>20)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	_ = conn.CloseNow()
}

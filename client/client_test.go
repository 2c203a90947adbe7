package client

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// What is sent is stored, in order, and acked.
func TestSend(t *testing.T) {
	s := newStore()
	server := serve(t, s, nil)
	var mu sync.Mutex
	acked := map[string]int64{}
	c := dial(t, server.url, Options{Acked: func(id string, seq int64) {
		mu.Lock()
		defer mu.Unlock()
		if seq <= acked[id] {
			t.Errorf("%s: ack %d after %d", id, seq, acked[id])
		}
		acked[id] = seq
	}})
	const ids, each = 20, 300
	for n := range each {
		for i := range ids {
			must(t, c.Send(within(t), report(fmt.Sprint("id-", i), n)))
		}
	}
	must(t, c.Flush(within(t)))
	for i := range ids {
		id := fmt.Sprint("id-", i)
		var want []string
		for n := range each {
			want = append(want, fmt.Sprintf(`{"n":%d}`, n))
		}
		if got := s.data(id); !slices.Equal(got, want) {
			t.Errorf("%s: %d of %d stored, or not in order", id, len(got), each)
		}
		if last := s.rows[id][each-1].Seq; acked[id] != last {
			t.Errorf("%s: acked %d, sent %d", id, acked[id], last)
		}
	}
	messages, err := c.Done(within(t), "id-3", 7, []byte(`"end"`))
	if err != nil || messages != each || s.ends["id-3"] != `"end"` {
		t.Errorf("Done: %d, %v; stored %q", messages, err, s.ends["id-3"])
	}
	must(t, c.Close(within(t)))
}

package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ingestd/ingestd/engine"
)

// memorySink keeps what it is given, and fails now and then.
type memorySink struct {
	mu   sync.Mutex
	keys map[string]bool
	rows map[string][]string // the data of each stream, in order
	ends map[string]engine.EndReason
}

func (s *memorySink) Write(_ context.Context, batches []engine.Batch) ([]engine.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rand.IntN(5) == 0 {
		return nil, errors.New("the connection is lost")
	}
	results := make([]engine.Result, len(batches))
	for i, b := range batches {
		for _, m := range b.Messages {
			if string(m.Data) == `"bad"` {
				return nil, engine.Reject(i, 0, errors.New("too bad"))
			}
			key := fmt.Sprint(m.ID, "/", m.Seq, "/", m.Client)
			if s.keys[key] {
				results[i].Duplicates++
				continue
			}
			s.keys[key] = true
			s.rows[m.ID] = append(s.rows[m.ID], string(m.Data))
		}
		if b.End != "" {
			s.ends[b.ID] = b.End
		}
		results[i].Rows = int64(len(s.rows[b.ID]))
	}
	return results, nil
}

func (s *memorySink) Close() error { return nil }

// Everything together: real clients, the real engine, a sink that fails, clients
// that vanish, and a drain in the middle. What was acked is stored, once and in
// order.
func TestWithTheEngine(t *testing.T) {
	sink := &memorySink{keys: map[string]bool{}, rows: map[string][]string{}, ends: map[string]engine.EndReason{}}
	o := engine.DefaultOptions()
	o.BatchWait, o.RetryMin, o.RetryMax = 20*time.Millisecond, time.Millisecond, 5*time.Millisecond
	e, err := engine.New(sink, o)
	if err != nil {
		t.Fatal(err)
	}
	w, err := ListenWebSocket(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, drain := context.WithCancel(context.Background())
	results := make(chan error, 2)
	go func() { results <- e.Run(ctx) }()
	go func() { results <- w.Serve(ctx, e) }()

	const clients, each, ids = 16, 400, 5
	acked := make([]map[string]int, clients) // by client and id, the last number
	var group, half sync.WaitGroup
	for i := range clients {
		acked[i] = map[string]int{}
		half.Add(1)
		group.Go(func() {
			var once sync.Once
			defer once.Do(half.Done)
			query := ""
			if i%2 == 0 {
				query = fmt.Sprint("?client=c", i)
			}
			conn, _, err := websocket.Dial(context.Background(), w.URL()+query, nil)
			if err != nil {
				t.Error(err)
				return
			}
			group.Go(func() {
				for {
					_, b, err := conn.Read(context.Background())
					if err != nil {
						if status := websocket.CloseStatus(err); i%4 != 3 && status != websocket.StatusGoingAway {
							t.Errorf("client %d: %v", i, err)
						}
						return
					}
					var a struct {
						Op, ID string
						Seq    int
					}
					if err := json.Unmarshal(b, &a); err != nil || a.Op != "ack" || a.Seq <= acked[i][a.ID] {
						t.Errorf("client %d after %d: %s", i, acked[i][a.ID], b)
					}
					acked[i][a.ID] = a.Seq
				}
			})
			for n := 1; n <= each; n++ {
				if n == each/2 {
					once.Do(half.Done)
					if i%4 == 3 {
						_ = conn.CloseNow() // vanishes
						return
					}
				}
				id := fmt.Sprint("s", (i+n)%ids, "-", i/4) // four clients share each
				frame := fmt.Appendf(nil, `{"id":%q,"seq":%d,"data":"%d.%d"}`, id, n, i, n)
				if conn.Write(context.Background(), websocket.MessageText, frame) != nil {
					return
				}
			}
		})
	}
	half.Wait()
	drain()
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	group.Wait()

	stored := map[string]int{} // by client and stream, the last number
	for id, rows := range sink.rows {
		for _, data := range rows {
			var i, n int
			if _, err := fmt.Sscanf(data, `"%d.%d"`, &i, &n); err != nil {
				t.Fatal(data, err)
			}
			key := fmt.Sprint(i, id)
			if n <= stored[key] {
				t.Errorf("%s has %d after %d", key, n, stored[key])
			}
			if stored[key] != 0 && n != stored[key]+ids || stored[key] == 0 && n > ids {
				t.Errorf("%s has %d after %d: some are missing", key, n, stored[key])
			}
			stored[key] = n
		}
	}
	for i := range acked {
		for id, n := range acked[i] {
			if have := stored[fmt.Sprint(i, id)]; have < n || i%4 != 3 && have != n {
				t.Errorf("client %d was told %d of %s, stored are %d", i, n, id, have)
			}
		}
	}
	if s := e.Stats(); s.Accepted != s.Stored+s.Duplicates || s.Pending != 0 {
		t.Errorf("%+v", s)
	}
}

// Done, with a real engine, comes after the reports, and tells their number.
func TestDoneWithTheEngine(t *testing.T) {
	sink := &memorySink{keys: map[string]bool{}, rows: map[string][]string{}, ends: map[string]engine.EndReason{}}
	e, err := engine.New(sink, engine.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	w, err := ListenWebSocket(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, drain := context.WithCancel(context.Background())
	results := make(chan error, 2)
	go func() { results <- e.Run(ctx) }()
	go func() { results <- w.Serve(ctx, e) }()
	conn, _, err := websocket.Dial(ctx, w.URL()+"?client=a", nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, ctx, conn, nil}
	c.send(`{"id":1,"seq":1} {"id":1,"seq":2} {"op":"done","id":1} {"id":2,"seq":1,"data":"bad"} {"op":"flush"}`)
	for got := map[string]bool{}; len(got) < 3; {
		frame, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		switch frame {
		case `{"op":"ack","id":1,"seq":2}`, `{"op":"ack","id":1,"seq":1}`:
		case `{"op":"done","id":1,"messages":2}`, `{"op":"flush"}`,
			`{"op":"error","code":"rejected","error":"too bad","retry":false,"id":2,"seq":1}`:
			got[frame] = true
		default:
			t.Fatal(frame)
		}
	}
	_ = conn.CloseNow()
	drain()
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if sink.ends["1"] != engine.EndOp {
		t.Errorf("the stream ended with %q", sink.ends["1"])
	}
}

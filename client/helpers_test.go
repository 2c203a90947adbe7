package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// store is a sink in memory that finds duplicates and conflicts by the key.
type store struct {
	mu     sync.Mutex
	rows   map[string][]engine.Message // by id, in the order of arrival
	keys   map[string]string
	ends   map[string]string // by id, the data of its Done
	twice  int               // messages that came again
	refuse func(m *engine.Message) error
	fail   func() error
}

func newStore() *store {
	return &store{rows: map[string][]engine.Message{}, keys: map[string]string{}, ends: map[string]string{}}
}

func (s *store) Write(_ context.Context, batches []engine.Batch) ([]engine.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(); err != nil {
			return nil, err
		}
	}
	results := make([]engine.Result, len(batches))
	for i, b := range batches {
		for j, m := range b.Messages {
			key := fmt.Sprint(m.ID, "/", m.Seq, "/", m.Client)
			content := fmt.Sprint(m.Op, m.Code, string(m.Data))
			if have, is := s.keys[key]; is {
				if have != content {
					return nil, engine.Reject(i, j, engine.ErrConflict)
				}
				s.twice++
				continue
			}
			if s.refuse != nil {
				if err := s.refuse(&m); err != nil {
					return nil, engine.Reject(i, j, err)
				}
			}
			s.keys[key] = content
			m.Data = append([]byte(nil), m.Data...)
			s.rows[m.ID] = append(s.rows[m.ID], m)
		}
		if b.Final != nil {
			s.ends[b.ID] = string(b.Final.Data)
		}
		results[i].Rows = int64(len(s.rows[b.ID]))
	}
	return results, nil
}

func (s *store) Close() error { return nil }

// data is what is stored under an id.
func (s *store) data(id string) (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.rows[id] {
		all = append(all, string(m.Data))
	}
	return all
}

// server is a real one.
type server struct {
	url   string
	store engine.Sink
	stop  func()
}

// serve runs a server at the address, until the test ends or stop is called.
func serve(t testing.TB, sink engine.Sink, change func(*transport.WebSocketConfig, *engine.Options)) *server {
	t.Helper()
	c, o := transport.DefaultWebSocketConfig(), engine.DefaultOptions()
	c.Listen = "127.0.0.1:0"
	o.BatchWait, o.RetryMin, o.RetryMax = 5*time.Millisecond, time.Millisecond, 5*time.Millisecond
	if change != nil {
		change(&c, &o)
	}
	w, err := transport.ListenWebSocket(c)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(sink, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- e.Run(ctx) }()
	go func() { ended <- w.Serve(ctx, e) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	t.Cleanup(stop)
	return &server{w.URL(), sink, stop}
}

// dial makes a client that is closed when the test ends.
func dial(t testing.TB, url string, o Options) *Client {
	t.Helper()
	if o.RetryMin == 0 {
		o.RetryMin, o.RetryMax = time.Millisecond, 20*time.Millisecond
	}
	c, err := Dial(within(t), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Close(over)
	})
	return c
}

// within is a context that ends when patience does.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// report is message n of an id.
func report(id string, n int) Message {
	return Message{ID: id, Data: fmt.Appendf(nil, `{"n":%d}`, n)}
}

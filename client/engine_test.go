package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport"
)

// Many goroutines, on the same ids and on others, with Flush and Done in between.
func TestConcurrentUse(t *testing.T) {
	s := newStore()
	server := serve(t, s, nil)
	c := dial(t, server.url, Options{Window: 50})
	const senders, each = 8, 200
	var group sync.WaitGroup
	for i := range senders {
		group.Go(func() {
			own := fmt.Sprint("own-", i)
			for n := range each {
				for _, id := range []string{own, "common"} {
					if err := c.Send(context.Background(), report(id, n)); err != nil {
						t.Error(err)
					}
				}
				switch {
				case n%50 == 20:
					if err := c.Flush(context.Background()); err != nil {
						t.Error(err)
					}
					if got := len(s.data(own)); got != n+1 {
						t.Errorf("%d of %d are stored after Flush", got, n+1)
					}
				case n%50 == 40:
					if messages, err := c.Done(context.Background(), own, 0, nil); err != nil || messages != int64(n+1) {
						t.Errorf("Done: %d, %v", messages, err)
					}
				}
			}
		})
	}
	group.Wait()
	must(t, c.Close(within(t)))
	for i := range senders {
		if got := s.data(fmt.Sprint("own-", i)); len(got) != each || got[each-1] != fmt.Sprintf(`{"n":%d}`, each-1) {
			t.Errorf("sender %d: %d stored", i, len(got))
		}
	}
	if got := s.data("common"); len(got) != senders*each {
		t.Errorf("%d of %d stored", len(got), senders*each)
	}
	rows := s.rows["common"]
	if !slices.IsSortedFunc(rows, func(a, b engine.Message) int { return int(a.Seq - b.Seq) }) {
		t.Error("the common id is not in order")
	}
}

// What the server has no room for comes later, and in order.
func TestNoRoom(t *testing.T) {
	s := newStore()
	server := serve(t, s, func(_ *transport.WebSocketConfig, o *engine.Options) {
		o.MaxStreams, o.MaxPending, o.RejectWhenFull = 4, 64*engine.KiB, true
	})
	c := dial(t, server.url, Options{
		Window: 500, RetryMin: time.Millisecond, RetryMax: 3 * time.Millisecond,
		Refused: func(r Refusal) { t.Errorf("%v", &r) },
	})
	const ids, each = 12, 80
	for n := range each {
		for i := range ids {
			must(t, c.Send(within(t), report(fmt.Sprint(i), n)))
		}
	}
	must(t, c.Close(within(t)))
	for i := range ids {
		got := s.data(fmt.Sprint(i))
		for n, data := range got {
			if data != fmt.Sprintf(`{"n":%d}`, n) {
				t.Fatalf("id %d: row %d is %s", i, n, data)
			}
		}
		if len(got) != each {
			t.Errorf("id %d: %d of %d stored", i, len(got), each)
		}
	}
	if s.twice > 0 {
		t.Errorf("%d came twice", s.twice)
	}
}

// A conflict is told once, and only for what differs.
func TestConflict(t *testing.T) {
	s := newStore()
	server := serve(t, s, nil)
	for i, want := range [][]string{{"acked a/3"}, {"refused a/2 conflict", "acked a/3"}} {
		o := make(told, 10)
		c := dial(t, server.url, o.options())
		for n := 1; n <= 3; n++ {
			must(t, c.Send(within(t), Message{ID: "a", Seq: int64(n), Data: fmt.Appendf(nil, "%d", n+10*i*(n%3/2))}))
		}
		must(t, c.Close(within(t)))
		close(o)
		var got []string
		for text := range o {
			if text != "acked a/1" && text != "acked a/2" { // an ack may say less before
				got = append(got, text)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("client %d is told %q", i, got)
		}
	}
}

// The server is stopped in an orderly way and started again, while messages are
// sent.
func TestServerRestarts(t *testing.T) {
	s := newStore()
	server := serve(t, s, nil)
	c := dial(t, server.url, Options{Window: 50})
	address, err := url.Parse(server.url)
	must(t, err)
	for n := range 500 {
		if n%100 == 50 {
			server.stop()
			server = serve(t, s, func(c *transport.WebSocketConfig, _ *engine.Options) { c.Listen = address.Host })
		}
		must(t, c.Send(within(t), report("a", n)))
	}
	must(t, c.Close(within(t)))
	got := s.data("a")
	for n, data := range got {
		if data != fmt.Sprintf(`{"n":%d}`, n) {
			t.Fatalf("row %d is %s", n, data)
		}
	}
	if len(got) != 500 {
		t.Errorf("%d stored", len(got))
	}
}

// Calls that wait end with Close, and with their context.
func TestCloseEndsCalls(t *testing.T) {
	_, x, c := connected(t, Options{Window: 2})
	ended := make(chan error, 3)
	go func() {
		_, err := c.Done(context.Background(), "a", 0, nil)
		ended <- err
	}()
	x.read(1)
	send(t, c, "b", 1)
	go func() { ended <- c.Flush(context.Background()) }()
	go func() { ended <- c.Send(context.Background(), Message{ID: "c"}) }()
	x.expect("b/1", "flush")
	over, cancel := context.WithCancel(context.Background())
	cancel()
	var left *UnackedError
	if err := c.Close(over); !errors.As(err, &left) || left.Count != 2 || left.Kept {
		t.Errorf("Close: %v", err)
	}
	for range cap(ended) {
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("a call gives %v", err)
		}
	}
}

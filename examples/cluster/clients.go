package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ingestd/ingestd/client"
)

const (
	senders = 8
	streams = 400 // to which all of them send

	// Every pause, each of them sends a few messages to one stream: 4,000 messages a
	// second, all together.
	pause = 10 * time.Millisecond
	few   = 5
)

// clients are all of them.
type clients []*sender

// sender is a named client, and what it knows: how many messages it has sent to
// each stream, which are numbered from 1, and how many of them are acked.
type sender struct {
	client *client.Client
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu          sync.Mutex
	sent, acked map[string]int64
	refused     int64
	err         error
}

func startClients(ctx context.Context, edges []string) (clients, error) {
	var all clients
	for i := range senders {
		s := &sender{sent: make(map[string]int64), acked: make(map[string]int64)}
		var err error
		s.client, err = client.Dial(ctx, "ws://edges/ws", client.Options{
			Name:       fmt.Sprintf("client-%d", i+1),
			HTTPClient: &http.Client{Transport: &http.Transport{DialContext: balance(i, edges)}},
			Acked: func(id string, seq int64) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.acked[id] = max(s.acked[id], seq)
			},
			Refused: func(client.Refusal) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.refused++
			},
			RetryMax: 500 * time.Millisecond,
		})
		if err != nil {
			all.abort()
			return nil, fmt.Errorf("connect: %w", err)
		}
		sending, cancel := context.WithCancel(ctx)
		s.cancel = cancel
		s.work.Go(func() { s.send(sending, rand.New(rand.NewPCG(uint64(i), 0))) })
		all = append(all, s)
	}
	return all, nil
}

// balance connects to the edges by turns, and to another one where one is down. On
// real machines this is what a load balancer does.
func balance(first int, edges []string) func(ctx context.Context, network, _ string) (net.Conn, error) {
	var turn atomic.Int64
	turn.Store(int64(first))
	return func(ctx context.Context, network, _ string) (conn net.Conn, err error) {
		for range edges {
			edge := edges[int(turn.Add(1))%len(edges)]
			if conn, err = (&net.Dialer{}).DialContext(ctx, network, edge); err == nil {
				return conn, nil
			}
		}
		return nil, err
	}
}

// send sends until ctx ends. Whatever happens to edges, nodes and writers, all that
// a client does is this.
func (s *sender) send(ctx context.Context, rng *rand.Rand) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		id := fmt.Sprintf("machine-%d", rng.IntN(streams))
		for range few {
			s.mu.Lock()
			s.sent[id]++
			n := s.sent[id]
			s.mu.Unlock()
			m := client.Message{ID: id, Seq: n, Data: payload(s.client.Name(), id, n)}
			if err := s.client.Send(context.WithoutCancel(ctx), m); err != nil {
				s.mu.Lock()
				s.err = fmt.Errorf("send: %w", err)
				s.mu.Unlock()
				return
			}
		}
	}
}

// payload says all about itself, so that nobody has to be believed afterwards.
func payload(client, id string, n int64) []byte {
	return fmt.Appendf(nil, `{"client": %q, "id": %q, "n": %d}`, client, id, n)
}

// finish lets them send no more, and waits until everything is acked.
func (all clients) finish(ctx context.Context) error {
	for _, s := range all {
		s.cancel()
		s.work.Wait()
	}
	for _, s := range all {
		if s.err != nil {
			return s.err
		}
		if err := s.client.Close(ctx); err != nil {
			return fmt.Errorf("wait for acks: %w", err)
		}
	}
	return nil
}

// abort ends them at once.
func (all clients) abort() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, s := range all {
		s.cancel()
		s.work.Wait()
		_ = s.client.Close(ctx)
	}
}

// counts are how many messages were sent, and how many are acked.
func (all clients) counts() (sent, acked int64) {
	for _, s := range all {
		s.mu.Lock()
		for id := range s.sent {
			sent += s.sent[id]
			acked += s.acked[id]
		}
		s.mu.Unlock()
	}
	return sent, acked
}

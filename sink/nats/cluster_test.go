package nats_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/natstest"
)

// A stream with three replicas goes on when the server that leads it is stopped
// while it is written to, again and again.
func TestLeaderStopped(t *testing.T) {
	servers := natstest.Cluster(t, 3)
	c := config(servers.URLs()...)
	c.Partitions, c.AckTimeout, c.Replicas = 8, time.Second, 3
	s := open(t, c)
	l := start(t, s, 50, 200)
	for _, n := range []int{1000, 5000} {
		l.at(n)
		leader := servers.Leader(t, "ingest")
		leader.Stop()
		l.at(n + 1000) // without it
		leader.Restart()
		servers.Current(t, "ingest")
	}
	l.done()
	l.check(connect(t, nil, servers.URLs()...))
}

// Without a quorum nothing is stored and nothing is lost, and it passes.
func TestQuorumLost(t *testing.T) {
	servers := natstest.Cluster(t, 3)
	c := config(servers.URLs()...)
	c.Partitions, c.AckTimeout, c.Replicas = 8, 500*time.Millisecond, 3
	s := open(t, c)
	l := start(t, s, 50, 100)
	l.at(1000)
	leader := servers.Leader(t, "ingest")
	for _, server := range servers {
		if server != leader {
			server.Stop()
		}
	}
	natstest.Eventually(t, "Writes fail for the quorum", func() bool {
		h := l.engine.Health()
		if h.Blocked != nil {
			t.Fatalf("a lost quorum blocks: %v", h.Blocked)
		}
		return h.Failing != nil && strings.Contains(h.Failing.Error(), "without a leader")
	})
	for _, server := range servers {
		if server != leader {
			server.Restart()
		}
	}
	l.done()
	l.check(connect(t, nil, servers.URLs()...))
}

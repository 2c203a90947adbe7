package natstest

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// Servers are those of one cluster.
type Servers []*Server

// Cluster starts so many servers, and waits until they have a leader that knows
// them all.
func Cluster(t testing.TB, size int, options ...Option) Servers {
	t.Helper()
	var all Servers
	var routes []*url.URL
	for i := range size {
		s := newServer(t, fmt.Sprintf("server-%d", i+1), options)
		s.opts.Cluster = server.ClusterOpts{Name: "natstest", Host: "127.0.0.1", Port: sparePort(t)}
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("127.0.0.1:%d", s.opts.Cluster.Port)})
		all = append(all, s)
	}
	for _, s := range all {
		s.opts.Routes = routes
		s.launch()
	}
	for _, s := range all {
		if !s.Running().ReadyForConnections(patience) {
			t.Fatal("a NATS server does not get ready")
		}
	}
	Eventually(t, "the cluster has a leader that knows all", func() bool {
		for _, s := range all {
			if s.Running().JetStreamIsLeader() {
				return len(s.Running().JetStreamClusterPeers()) == size
			}
		}
		return false
	})
	return all
}

// URLs are those of all servers.
func (all Servers) URLs() []string {
	urls := make([]string, len(all))
	for i, s := range all {
		urls[i] = s.URL()
	}
	return urls
}

// Leader waits until a stream, of the account that is there without any, has a
// leader among the running servers, and gives it.
func (all Servers) Leader(t testing.TB, stream string) *Server {
	t.Helper()
	var leader *Server
	Eventually(t, "the stream has a leader", func() bool {
		for _, s := range all {
			if running := s.Running(); running != nil && running.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
				leader = s
				return true
			}
		}
		return false
	})
	return leader
}

// Current waits until all servers run and have all of a stream.
func (all Servers) Current(t testing.TB, stream string) {
	t.Helper()
	Eventually(t, "all servers have the stream", func() bool {
		for _, s := range all {
			if running := s.Running(); running == nil || !running.JetStreamIsStreamCurrent(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
				return false
			}
		}
		return true
	})
}

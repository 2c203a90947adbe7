package nats

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/internal/natstest"
)

// The server is restarted under load, several times.
func TestServerRestarts(t *testing.T) {
	server := natstest.Start(t)
	p := publish(t, server.URL())
	p.stream("s", 8, jetstream.FileStorage)
	table := newTable()
	a := write(t, table, quickPace, testConfig(server.URL()))
	b := write(t, table, quickPace, testConfig(server.URL()))
	owns(t, map[*writer]int{a: 4, b: 4})
	const ids, each = 20, 60
	l := p.load(ids, 0, each)
	for i := range 2 {
		table.wait(t, (i+1)*ids*each/4)
		server.Restart()
	}
	<-l.done
	table.right(t, ids, each)
	owns(t, map[*writer]int{a: 4, b: 4})
	natstest.Eventually(t, "it is connected again", func() bool { return a.Stats().Reconnects > 0 && a.Stats().Connected })
	a.end()
	b.end()
}

// Of three servers the leader goes, of the stream and of the bucket: nothing is lost
// or out of order, and while nobody can store a heartbeat nobody is found dead.
func TestLeaderIsLost(t *testing.T) {
	servers := natstest.Cluster(t, 3)
	p := publish(t, servers.URLs()...)
	p.stream("s", 4, jetstream.FileStorage, 3)
	table := newTable()
	a := write(t, table, usualPace, testConfig(servers.URLs()...))
	b := write(t, table, usualPace, testConfig(servers.URLs()...))
	owns(t, map[*writer]int{a: 2, b: 2})
	const ids, each = 20, 60
	l := p.load(ids, 0, each)
	for i, stream := range []string{"s", "KV_s-readers"} {
		table.wait(t, (i+1)*ids*each/4)
		leader := servers.Leader(t, stream)
		leader.Stop()
		servers.Leader(t, stream)
		leader.Restart()
		servers.Current(t, stream)
	}
	<-l.done
	table.right(t, ids, each)
	owns(t, map[*writer]int{a: 2, b: 2})
	if n := a.Stats().TakenOver + b.Stats().TakenOver; n > 0 {
		t.Errorf("%d partitions were taken over", n)
	}
}

// Where the bucket takes nothing for a while, nobody is found dead, however long.
func TestNobodyCanWrite(t *testing.T) {
	server := natstest.Start(t)
	var proxies []*natstest.Proxy
	var writers []*writer
	p := publish(t, server.URL())
	p.stream("s", 4, jetstream.FileStorage)
	table := newTable()
	for range 2 {
		proxy := natstest.NewProxy(t, server.Address())
		proxies = append(proxies, proxy)
		writers = append(writers, write(t, table, quickPace, testConfig(proxy.URL)))
	}
	a, b := writers[0], writers[1]
	owns(t, map[*writer]int{a: 2, b: 2})
	var dropped atomic.Int64
	for _, proxy := range proxies {
		proxy.ToServer(func(f natstest.Frame) natstest.Verdict {
			if strings.HasPrefix(f.Subject, "$KV.") {
				dropped.Add(1)
				return natstest.Drop
			}
			return natstest.Pass
		})
	}
	// Both have lost their leases, and go on trying.
	natstest.Eventually(t, "several heartbeats are lost", func() bool { return dropped.Load() >= 6 })
	owns(t, map[*writer]int{a: 0, b: 0})
	if state, why := a.State(); state != StateFailing || !strings.Contains(why, "heartbeats") {
		t.Errorf("the state is %s: %s", state, why)
	}
	for _, proxy := range proxies {
		proxy.ToServer(nil)
	}
	const ids, each = 10, 10
	p.load(ids, 0, each)
	table.right(t, ids, each)
	owns(t, map[*writer]int{a: 2, b: 2})
	if n := a.Stats().TakenOver + b.Stats().TakenOver; n > 0 {
		t.Errorf("%d partitions were taken over", n)
	}
	if state, why := a.State(); state != StateOK {
		t.Errorf("the state is %s: %s", state, why)
	}
}

// The answers to writes are lost, and the writes are not: each is found in the log,
// and floors go on.
func TestUnknownOutcomes(t *testing.T) {
	server := natstest.Start(t)
	proxy := natstest.NewProxy(t, server.Address())
	p := publish(t, server.URL())
	p.stream("s", 1, jetstream.FileStorage)
	recorded := record(t, p)
	table := newTable()
	patient := quickPace
	patient.request, patient.lease = 100*time.Millisecond, time.Minute
	a := write(t, table, patient, testConfig(proxy.URL))
	owns(t, map[*writer]int{a: 1})
	// The answer to the write of a floor is of a stream whose name is in it.
	var lost atomic.Int64
	proxy.ToClient(func(f natstest.Frame) natstest.Verdict {
		if strings.Contains(string(f.Raw), `"stream":"KV_s-readers"`) && lost.Add(1)%3 != 0 {
			return natstest.Drop
		}
		return natstest.Pass
	})
	each := 0
	for ; lost.Load() < 10 && t.Context().Err() == nil; each++ {
		p.send("id", int64(each+1))
		table.wait(t, each+1)
	}
	table.right(t, 1, each)
	natstest.Eventually(t, "the floor is at the end", func() bool {
		floor := uint64(0)
		p.floors(func(_ int, at place) { floor = at.Floor })
		return floor == uint64(each)
	})
	if s := a.Stats(); s.Owned != 1 || table.duplicates > 0 {
		t.Errorf("%+v, %d repeated", s, table.duplicates)
	}
	proxy.ToClient(nil)
	a.end()
	recorded.check(t)
}

// NATS must be there when a Reader is opened.
func TestOpenFails(t *testing.T) {
	server := natstest.Start(t)
	server.Stop()
	if _, err := Open(t.Context(), testConfig(server.URL())); err == nil {
		t.Error("there is no server, and no error")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := Open(ended, testConfig(server.URL())); err == nil {
		t.Error("the context has ended, and there is no error")
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("an empty configuration is right")
	}
}

package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/ingestd/ingestd/internal/drill"
	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/internal/natstest"
)

// Two daemons write one database, and are killed by turns: their clients go to the
// other one, and send again what may be stored already, or just then.
func TestTwoDaemons(t *testing.T) {
	p := alone(t)
	p.begin(drill.LoadConfig{Named: 8, IDs: 1000, Rate: 3000})
	p.startEnders(2)
	for i := range long.Scale(4, 100) {
		p.killEdge(i % 2)
	}
	p.end(500)
}

// One process of each kind after the other is killed, or halted, and comes again,
// while clients send to many streams and end some: nothing is lost, doubled or out
// of order.
func TestCluster(t *testing.T) {
	p := chained(t)
	p.begin(drill.LoadConfig{
		Named: 8, IDs: long.Scale(1000, 10_000), Rate: long.Scale(1500, 5000),
	})
	p.startEnders(2)

	least := int64(long.Scale(10_000, 1_000_000))
	for round := 0; round == 0 || p.load.Acked() < least; round++ {
		if !long.On() {
			p.killNodes(p.nodes.Leader(t, "ingest"))
			p.killEdge(0)
			p.killWriter(0)
			p.haltWriter(1)
			break
		}
		for _, node := range p.nodes.All {
			p.killNodes(node)
		}
		for i := range 2 {
			p.killEdge(i)
			p.killWriter(i)
			p.restart(p.edges[i])
			p.restart(p.writers[i])
		}
		p.haltWriter(round % 2)
		p.haltNode()
		p.killNodes(p.nodes.All[:2]...) // none of the others can store anything
		p.killNodes(p.nodes.All...)
		t.Logf("round %d: %d acked", round+1, p.load.Acked())
	}
	p.end(least)
}

// An edge is halted, and its clients go to the other one, to which they send again
// what they do not know to be stored. When it goes on, it sends what it has in hand,
// which comes late, and is there already.
func TestHaltedEdge(t *testing.T) {
	p := chained(t)
	p.begin(drill.LoadConfig{Named: 8, IDs: 500, Rate: long.Scale(1500, 6000)})
	for i := range long.Scale(2, 10) {
		edge := p.edges[i%2]
		p.works()
		edge.halt()
		p.fault("halt of %s", edge.name)
		p.balancer.leave(p.balancer.targets[i%2])
		for range long.Scale(10, 200) {
			p.works()
		}
		edge.cont()
		p.works()
		p.balancer.leave("")
	}
	p.end(1000)
}

// killNodes kills nodes, all at the same time.
func (p *plant) killNodes(nodes ...*natstest.Node) {
	p.t.Helper()
	p.works()
	for _, node := range nodes {
		node.Kill()
		p.fault("kill -9 of node %s", node.Name)
	}
	if len(nodes) <= len(p.nodes.All)/2 {
		p.works() // without them
	}
	for _, node := range nodes {
		node.Start(p.t)
	}
	p.nodes.Await(p.t)
	p.works()
}

// haltNode halts the node that leads, for longer than its followers stand it.
func (p *plant) haltNode() {
	p.t.Helper()
	node := p.nodes.Leader(p.t, "ingest")
	p.works()
	node.Stop()
	p.fault("halt of node %s", node.Name)
	p.nodes.Await(p.t)
	p.works()
	node.Cont()
	p.nodes.Await(p.t)
}

// killEdge kills an edge. Its clients go to the other one, and share out again when
// it is back.
func (p *plant) killEdge(i int) {
	p.t.Helper()
	edge := p.edges[i]
	p.works()
	edge.kill()
	p.fault("kill -9 of %s", edge.name)
	p.works()
	edge.start()
	p.balancer.leave("")
	p.works()
}

// killWriter kills a writer. The other one takes its partitions, and gives half of
// them back.
func (p *plant) killWriter(i int) {
	p.t.Helper()
	writer := p.writers[i]
	p.shared()
	p.works()
	writer.kill()
	p.fault("kill -9 of %s", writer.name)
	p.abandoned(writer)
	p.works()
	writer.start()
	p.shared()
}

// restart drains a daemon, and starts it again.
func (p *plant) restart(d *daemon) {
	p.t.Helper()
	p.shared()
	p.works()
	p.fault("restart of %s", d.name)
	d.stop()
	p.works()
	d.start()
	p.balancer.leave("")
	p.works()
}

// haltWriter halts a writer for longer than the other one waits for it. When it
// goes on, it has something in hand that is no longer its own.
func (p *plant) haltWriter(i int) {
	p.t.Helper()
	writer := p.writers[i]
	p.shared()
	p.works()
	timer := time.NewTimer(time.Duration(long.Scale(1, 15)) * time.Second)
	defer timer.Stop()
	writer.halt()
	p.fault("halt of %s", writer.name)
	p.abandoned(writer)
	p.works()
	<-timer.C
	writer.cont()
	p.works()
	p.shared()
	p.fenced(writer)
}

// fenced expects that a writer that was halted had something in hand which it has
// not stored, as it is no longer its own.
func (p *plant) fenced(w *daemon) {
	p.t.Helper()
	n := w.metric("ingest_messages_fenced_total")
	p.t.Logf("%s was fenced with %.0f messages in hand", w.name, n)
	if n == 0 {
		p.t.Errorf("void: %s had nothing in hand when it was halted", w.name)
	}
}

// abandoned waits until a writer has no partition any more.
func (p *plant) abandoned(w *daemon) {
	p.t.Helper()
	p.eventually("others have taken the partitions", func() error {
		shares, err := p.log.shares(p.t.Context())
		if err == nil && len(shares[w.name]) > 0 {
			err = fmt.Errorf("%s has %v", w.name, shares[w.name])
		}
		return err
	})
}

// fault notes one.
func (p *plant) fault(format string, args ...any) {
	p.t.Helper()
	sent, acked, _ := p.load.Counts()
	p.t.Logf("%v: %d sent, %d acked, %d stored: "+format,
		append([]any{time.Since(p.begun).Round(time.Millisecond), sent, acked, p.stored()}, args...)...)
}

package natstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Await waits until each node that runs has caught up with the others, and the
// cluster and each of its streams have a leader that runs: so anything can be
// stored, and any other node may go.
func (n *Nodes) Await(tb testing.TB) {
	tb.Helper()
	n.await(tb)
}

// Leader is the node that leads a stream, once the cluster is as [Nodes.Await]
// leaves it.
func (n *Nodes) Leader(tb testing.TB, stream string) *Node {
	tb.Helper()
	leader := n.await(tb)[stream]
	if leader == nil {
		tb.Fatalf("there is no stream %q", stream)
	}
	return leader
}

// await gives the leaders of the streams.
func (n *Nodes) await(tb testing.TB) map[string]*Node {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		// A consumer that is just being made is a fault to a node, too.
		leaders, err := n.leaders(ctx)
		if err == nil {
			return leaders
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("the nodes are no cluster after %v: %v", patience, err)
		}
	}
}

// leaders asks each node that runs who leads. The error says what is not in order.
func (n *Nodes) leaders(ctx context.Context) (map[string]*Node, error) {
	running := make(map[string]*Node)
	for _, node := range n.All {
		if node.runs() {
			running[node.Name] = node
		}
	}
	leaders := make(map[string]*Node)
	for _, node := range running {
		if err := node.ask(ctx, "/healthz", nil); err != nil {
			return nil, err
		}
		var info server.JSInfo
		if err := node.ask(ctx, "/jsz?streams=true", &info); err != nil {
			return nil, err
		}
		if info.Meta == nil || running[info.Meta.Leader] == nil || info.Meta.Size != len(n.All) {
			return nil, fmt.Errorf("%s knows no leader of the cluster, or not all of its nodes: %+v", node.Name, info.Meta)
		}
		for _, account := range info.AccountDetails {
			for _, s := range account.Streams {
				if s.Cluster == nil || running[s.Cluster.Leader] == nil {
					return nil, fmt.Errorf("%s knows no leader of the stream %s", node.Name, s.Name)
				}
				leaders[s.Name] = running[s.Cluster.Leader]
			}
		}
	}
	return leaders, nil
}

// ask asks the node about itself.
func (n *Node) ask(ctx context.Context, path string, answer any) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("ask %s: %w", n.Name, err)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.monitor+path, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if answer == nil {
		var health server.HealthStatus
		err := json.NewDecoder(response.Body).Decode(&health)
		if err == nil && response.StatusCode != http.StatusOK {
			err = errors.New(health.Error)
		}
		return err
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

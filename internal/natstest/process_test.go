package natstest_test

import (
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/internal/long"
	"github.com/ingestd/ingestd/internal/natstest"
)

func TestMain(m *testing.M) { os.Exit(natstest.Main(m.Run)) }

// What was acked is there after the leader of the stream was killed, and others,
// and one was halted; what is down or halted holds nobody up.
func TestNodes(t *testing.T) {
	nodes := natstest.StartNodes(t, 3)
	conn, err := nats.Connect(nodes.URLs()[0]+","+nodes.URLs()[1]+","+nodes.URLs()[2], nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "s", Subjects: []string{"s"}, Replicas: 3})
	if err != nil {
		t.Fatal(err)
	}
	stored := uint64(0)
	store := func() {
		t.Helper()
		nodes.Await(t)
		// The connection may have been to the node that is gone.
		ack, err := js.Publish(t.Context(), "s", nil, jetstream.WithRetryAttempts(100), jetstream.WithRetryWait(100*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		if stored++; ack.Sequence != stored {
			t.Errorf("message %d is stored as %d", stored, ack.Sequence)
		}
	}
	store()
	leader := nodes.Leader(t, "s")
	order := []*natstest.Node{leader}
	for _, node := range nodes.All {
		if node != leader {
			order = append(order, node)
		}
	}
	for _, node := range order[:long.Scale(1, 3)] { // elections take seconds
		node.Kill()
		node.Kill()
		store()
		if nodes.Leader(t, "s") == node {
			t.Errorf("%s leads, and is down", node.Name)
		}
		node.Start(t)
		nodes.Await(t)
	}
	leader = nodes.Leader(t, "s")
	leader.Stop()
	nodes.Await(t)
	if nodes.Leader(t, "s") == leader {
		t.Errorf("%s leads, and is halted", leader.Name)
	}
	leader.Cont()
	store()
}

package natstest_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/ingestd/ingestd/internal/natstest"
)

// leavesNothing looks for goroutines at the end of a test.
func leavesNothing(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// What was stored is there after a restart, at the same address.
func TestRestart(t *testing.T) {
	leavesNothing(t)
	s := natstest.Start(t, natstest.SyncAlways)
	address := s.Address()
	js := natstest.Connect(t, s.URL())
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "s", Subjects: []string{"s.*"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "s.1", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if s.Running() != nil {
		t.Error("it runs, though it was stopped")
	}
	s.Restart()
	if s.Address() != address {
		t.Errorf("it is at %s, not %s", s.Address(), address)
	}
	stream, err := natstest.Connect(t, s.URL()).Stream(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.GetMsg(t.Context(), 1)
	if err != nil || string(m.Data) != "kept" {
		t.Errorf("%v, %v", m, err)
	}
}

// A stream of three goes on without its leader.
func TestCluster(t *testing.T) {
	leavesNothing(t)
	all := natstest.Cluster(t, 3)
	js := natstest.Connect(t, all[0].URL()+","+all[1].URL()+","+all[2].URL())
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "s", Subjects: []string{"s.*"}, Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	first := all.Leader(t, "s")
	first.Stop()
	if second := all.Leader(t, "s"); second == first {
		t.Error("a stopped server is the leader")
	}
	natstest.Eventually(t, "it takes a message", func() bool {
		_, err := js.Publish(t.Context(), "s.1", []byte("kept"))
		return err == nil
	})
	first.Restart()
	all.Current(t, "s")
}

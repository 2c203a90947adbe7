package engine

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

func open(t *testing.T, dir string, node int) (*Numbers, *clock) {
	t.Helper()
	var c clock
	c.init()
	n, err := openNumbers(dir, node, &c)
	if err != nil {
		t.Fatal(err)
	}
	return n, &c
}

func TestNumbersAscendOverRestartsAndClockSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(25 * 365 * 24 * time.Hour) // from 2000 on
		dir := t.TempDir()
		n, c := open(t, dir, 0)
		node, last := n.node, int64(0)
		for range 2000 { // within one millisecond
			seq, ok := n.next(last, c.now())
			if !ok || seq <= last || seq < FirstOwnSeq || seq>>counterBits&maxNode != node {
				t.Fatalf("%x after %x of node %x: %v", seq, last, node, ok)
			}
			last = seq
		}
		for range 10 { // restarts at the same instant; each reserves more
			n, c = open(t, dir, 0)
			seq, ok := n.next(0, c.now())
			if !ok || seq <= last || n.node != node {
				t.Fatalf("after a restart %x comes after %x, node %d after %d", seq, last, n.node, node)
			}
			last = seq
		}
		// A clock that is set back.
		c = &clock{start: time.Now().Add(-100 * time.Hour)}
		n, err := openNumbers(dir, 0, c)
		if err != nil {
			t.Fatal(err)
		}
		if seq, ok := n.next(0, 0); !ok || seq <= last {
			t.Errorf("after a step back %x comes after %x", seq, last)
		}
	})
}

func TestNumbersAreNotGivenBeforeTheyAreReserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(25 * 365 * 24 * time.Hour)
		dir := t.TempDir()
		n, c := open(t, dir, 5)
		time.Sleep(reserveAhead*time.Millisecond - 1)
		if _, ok := n.next(0, c.now()); !ok {
			t.Error("a reserved number was not given")
		}
		time.Sleep(1)
		seq, ok := n.next(0, c.now())
		if ok {
			t.Error("a number was given that is not reserved")
		}
		raised := n.wait(seq)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() { n.keepReserving(c, hclog.NewNullLogger(), stop); close(stopped) }()
		<-raised
		if _, ok := n.next(0, c.now()); !ok {
			t.Error("still not reserved")
		}
		time.Sleep(time.Hour)
		if _, ok := n.next(0, c.now()); !ok {
			t.Error("not reserved after an hour")
		}
		close(stop)
		<-stopped
	})
}

// While the disk takes no mark, senders wait and Health says so; it mends itself.
func TestNumbersCannotBeReserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		o := DefaultOptions()
		o.DataDir = dir
		e, err := New(nothing{}, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir, nil, 0o600); err != nil { // in the way
			t.Fatal(err)
		}
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() { e.numbers.keepReserving(&e.clock, e.log, stop); close(stopped) }()
		time.Sleep(time.Minute)
		seq, ok := e.numbers.next(0, e.clock.now())
		if ok {
			t.Error("a number was given that is not reserved")
		}
		raised := e.numbers.wait(seq)
		time.Sleep(time.Minute)
		if h := e.Health(); h.Numbers == nil || time.Since(h.FullSince) != time.Minute {
			t.Errorf("health: %+v", h)
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		<-raised
		if h := e.Health(); h != (Health{}) {
			t.Errorf("health: %+v", h)
		}
		close(stop)
		<-stopped
	})
}

func TestNumbersOfNodesDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, "", 1)
		b, _ := open(t, "", maxNode)
		seen := make(map[int64]bool)
		var last [2]int64
		for range 3000 {
			for i, n := range []*Numbers{a, b} {
				seq, _ := n.next(last[i], c.now())
				if seen[seq] || seq < FirstOwnSeq || seq == math.MaxInt64 {
					t.Fatalf("%x twice, or out of range", seq)
				}
				seen[seq] = true
				last[i] = seq
			}
		}
	})
}

func TestDamagedNumbersFile(t *testing.T) {
	for _, content := range []string{"", "x", "ingestd numbers 1\nnode 0\nreserved 1\n", "ingestd numbers 2\nnode 1\nreserved 1\n", "ingestd numbers 1\nnode 1\nreserved 9000000000000000000\n"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "numbers"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		o := DefaultOptions()
		o.DataDir = dir
		_, err := New(nothing{}, o)
		if err == nil || !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), dir) {
			t.Errorf("%q: %v", content, err)
		}
	}
}

type nothing struct{ Sink }

package nats

import (
	"os"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/internal/natstest"
)

// Somebody removes what is in the bucket, in a way that its log says nothing of. The
// reader finds out, takes everything anew, and can be drained.
func TestBucketIsPurged(t *testing.T) {
	p, router, r, _ := one(t)
	p.send("a", 1)
	await(t, router, "one", settled(1))
	p.floor(1)
	bucket, err := p.js.Stream(t.Context(), "KV_s-readers")
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.send("a", 2)
	natstest.Eventually(t, "it is claimed anew", func() bool { return p.claimed() })
	p.send("a", 3)
	p.floor(3)
	r.end(t)
	p.floors(func(_ int, at place) {
		if at.Owner != "" {
			t.Errorf("after the drain it is %s's", at.Owner)
		}
	})
}

// claimed tells whether partition 0 has an owner in the bucket.
func (p *publisher) claimed() bool {
	keys, err := p.js.KeyValue(p.t.Context(), p.name+"-readers")
	if err != nil {
		p.t.Fatal(err)
	}
	_, err = keys.Get(p.t.Context(), key{group: "ingest"}.String())
	return err == nil
}

// A server that was switched off may have lost the end of the bucket and of the
// stream, and gives their numbers again.
func TestBucketGoesBack(t *testing.T) {
	var dir string
	server := natstest.Start(t, func(o *natsserver.Options) { dir = o.StoreDir })
	p, table := publish(t, server.URL()), newTable()
	p.stream("s", 2, jetstream.FileStorage)
	a := write(t, table, steadyPace, testConfig(server.URL()))
	b := write(t, table, steadyPace, testConfig(server.URL()))
	owns(t, map[*writer]int{a: 1, b: 1})
	const ids = 4
	<-p.load(ids, 0, 5).done
	table.wait(t, ids*5)
	before := t.TempDir()
	server.Stop()
	if err := os.CopyFS(before, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	<-p.load(ids, 5, 50).done
	table.wait(t, ids*50)
	server.Stop()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(before)); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	<-p.load(ids, 50, 60).done
	table.right(t, ids, 60)
	owns(t, map[*writer]int{a: 1, b: 1})
	<-p.load(ids, 60, 70).done
	table.right(t, ids, 70)
	a.end()
	b.end()
	last := uint64(0)
	p.floors(func(_ int, at place) {
		last = max(last, at.Floor)
		if at.Owner != "" {
			t.Errorf("after the drain it is %s's", at.Owner)
		}
	})
	stream, err := p.js.Stream(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	if is := stream.CachedInfo().State.LastSeq; last != is {
		t.Errorf("the stream ends with %d, and the last floor is %d", is, last)
	}
}

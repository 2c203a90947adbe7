package nats

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/natstest"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// A stream that is missing is waited for; the state says so.
func TestMissingStream(t *testing.T) {
	server := natstest.Start(t)
	p := publish(t, server.URL())
	router := transporttest.NewRouter()
	pace := steadyPace
	pace.lease = 5 * time.Second // so long a drain waits for a server that is away
	r := serve(t, router, pace, testConfig(server.URL()))
	natstest.Eventually(t, "it waits", func() bool {
		state, why := r.State()
		return state == StateWaiting && strings.Contains(why, `no stream "s"`)
	})
	if s := r.Stats(); s.Partitions != 0 || !s.Connected {
		t.Errorf("%+v", s)
	}
	p.stream("s", 3, jetstream.FileStorage)
	p.send("a", 1)
	await(t, router, "one", settled(1))
	if state, why := r.State(); state != StateOK || r.Stats().Partitions != 3 {
		t.Errorf("the state is %s: %s", state, why)
	}
	if url := r.URL(); url != "nats "+server.Address()+" stream s" {
		t.Error(url)
	}
	server.Stop()
	natstest.Eventually(t, "it fails", func() bool { state, _ := r.State(); return state == StateFailing })
	r.end(t)
}

// A stream that was deleted and made anew is read from its beginning, under the flows
// of before; so is one that has lost its end. A bucket that was deleted is made anew.
func TestAnotherStream(t *testing.T) {
	p, router, _, _ := one(t)
	for seq := range int64(5) {
		p.send("a", seq+1)
	}
	await(t, router, "five", settled(5))
	p.floor(5)
	if err := p.js.DeleteStream(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	p.stream("s", 1, jetstream.FileStorage)
	p.send("a", 6)
	await(t, router, "the sixth", settled(6))
	p.floor(1)
	if err := p.js.DeleteKeyValue(t.Context(), "s-readers"); err != nil {
		t.Fatal(err)
	}
	await(t, router, "the sixth again", settled(7))
	p.send("a", 7)
	await(t, router, "the seventh", settled(8))
	if got := reports(router.Messages()); got != "a:1 a:2 a:3 a:4 a:5 a:6 a:6 a:7" {
		t.Errorf("routed are %s", got)
	}
}

// A server that was switched off may have lost the end of the stream, and gives its
// numbers again.
func TestTheEndOfTheStreamIsLost(t *testing.T) {
	for name, alter := range map[string]func(*place){
		"it is shorter":           func(at *place) { at.Floor = 900 },
		"it has something else":   func(at *place) { at.Time = testTime },
		"all is as it was before": func(*place) {},
	} {
		t.Run(name, func(t *testing.T) {
			p, router, r, again := one(t)
			p.send("a", 1)
			p.send("a", 2)
			await(t, router, "two", settled(2))
			p.floor(2)
			r.end(t)
			stream, err := p.js.Stream(t.Context(), "s")
			if err != nil {
				t.Fatal(err)
			}
			b, err := openBucket(t.Context(), p.js, stream.CachedInfo().Config, usualPace.request)
			if err != nil {
				t.Fatal(err)
			}
			k := key{group: "ingest"}
			keys, err := p.js.KeyValue(t.Context(), "s-readers")
			if err != nil {
				t.Fatal(err)
			}
			entry, err := keys.Get(t.Context(), k.String())
			if err != nil {
				t.Fatal(err)
			}
			p.floors(func(_ int, at place) {
				alter(&at)
				at.Flows = nil
				if _, err := b.update(t.Context(), k, at, entry.Revision()); err != nil {
					t.Fatal(err)
				}
			})
			p.send("a", 3)
			router = transporttest.NewRouter()
			again(router)
			want := "a:1 a:2 a:3"
			if strings.HasPrefix(name, "all") {
				want = "a:3"
			}
			await(t, router, want, settled(strings.Count(want, " ")+1))
			if got := reports(router.Messages()); got != want {
				t.Errorf("routed are %s, not %s", got, want)
			}
			p.floor(3)
		})
	}
}

// What all groups have settled is purged, and nothing else: a partition without
// messages holds nothing back, a group that is behind does, and one that is being made
// begins with what there is.
func TestPurge(t *testing.T) {
	server := natstest.Start(t)
	p := publish(t, server.URL())
	stream := p.stream("s", 4, jetstream.FileStorage)
	router := transporttest.NewRouter()
	first := func() uint64 {
		info, err := stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.State.FirstSeq
	}
	serve(t, router, steadyPace, testConfig(server.URL()))
	ids := map[int]string{} // one of each partition
	for i := 0; len(ids) < 4; i++ {
		id := fmt.Sprint("id-", i)
		ids[p.partition(id)] = id
	}
	p.send(ids[2], 1)
	for seq := range int64(10) {
		p.send(ids[0], seq+1)
		p.send(ids[1], seq+1)
	}
	await(t, router, "all", settled(21))
	natstest.Eventually(t, "all is purged", func() bool { return first() == 22 })

	// The other group has no floors yet: whatever comes stays for it.
	c := testConfig(server.URL())
	c.Group = "other"
	behind := transporttest.NewRouter()
	behind.Hold()
	other := serve(t, behind, steadyPace, c)
	natstest.Eventually(t, "the other group reads", func() bool { return other.Stats().Owned == 4 })
	for seq := int64(10); seq < 20; seq++ {
		p.send(ids[0], seq+1)
	}
	await(t, router, "all", settled(31))
	await(t, behind, "all", func(s transporttest.State) bool { return len(s.Messages) == 10 })
	behind.Settle(ids[0], 4, nil)
	natstest.Eventually(t, "what both have is purged", func() bool { return first() >= 26 })
	if n := first(); n != 26 {
		t.Errorf("purged up to %d, and the other group has stored 25", n-1)
	}
	p.send(ids[3], 1)
	await(t, router, "one more", settled(32))
	behind.Release()
	natstest.Eventually(t, "all is purged again", func() bool { return first() == 33 })
	if got, want := len(behind.Messages()), 11; got != want {
		t.Errorf("the other group has %d messages", got)
	}
}

// What is published under other subjects is not taken for settled, and is read.
func TestSubjectsAreEdited(t *testing.T) {
	server := natstest.Start(t)
	p := publish(t, server.URL())
	stream := p.stream("s", 2, jetstream.FileStorage)
	router := transporttest.NewRouter()
	r := serve(t, router, steadyPace, testConfig(server.URL()))
	p.send("a", 1)
	await(t, router, "one", settled(1))
	c := stream.CachedInfo().Config
	c.Subjects = []string{"s2.*"}
	if _, err := p.js.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for n, id := range []string{"a", "b"} { // by an edge that was started again
		p.put(jet.Subject("s2", p.partition(id)), p.carrier(jet.Header{Flow: 2, N: uint64(n) + 1}, id, 2))
	}
	await(t, router, "all", settled(3))
	natstest.Eventually(t, "it is well", func() bool {
		state, _ := r.State()
		return state == StateOK
	})
}

// A stream that has lost its end, and has other messages with the numbers of those, is
// not purged by the floors of before.
func TestPurgeOfAStreamThatLostItsEnd(t *testing.T) {
	for name, alter := range map[string]func(*place){
		"it is shorter":         func(at *place) { at.Floor = 900 },
		"it has something else": func(at *place) { at.Floor, at.Time = 3, testTime },
		"it has all":            func(*place) {},
	} {
		t.Run(name, func(t *testing.T) {
			server := natstest.Start(t)
			p := publish(t, server.URL())
			stream := p.stream("s", 1, jetstream.FileStorage)
			for seq := range int64(5) {
				p.send("a", seq+1)
			}
			second, err := stream.GetMsg(t.Context(), 2)
			if err != nil {
				t.Fatal(err)
			}
			s := &session{
				r: &Reader{config: testConfig(server.URL())}, js: p.js, pace: steadyPace,
				stream: streamOf{"s", "s", 1, stream.CachedInfo().Created}, groups: make(map[string]*group),
			}
			at := place{Version: placeVersion, Floor: 2, Time: second.Time, Stream: s.stream.created}
			alter(&at)
			s.mine().places[0] = placeAt{place: at}
			err = s.purgeOnce(t.Context())
			info, infoErr := stream.Info(t.Context())
			if infoErr != nil {
				t.Fatal(infoErr)
			}
			if all := name == "it has all"; (err == nil) != all || (info.State.FirstSeq == 3) != all {
				t.Errorf("the first is %d; %v", info.State.FirstSeq, err)
			}
		})
	}
}

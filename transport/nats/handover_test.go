package nats

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/natstest"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// Readers join and leave under load. Each time they come to rest, each partition has
// one owner, nothing is repeated that was settled, and nobody waits for a linger.
func TestJoinsAndLeaves(t *testing.T) {
	server := natstest.Start(t)
	p := publish(t, server.URL())
	p.stream("s", 8, jetstream.FileStorage)
	recorded := record(t, p)
	table := newTable()
	hour := func(o *engine.Options) { o.BatchWait = 1 << 42 }
	const ids, each = 40, 60
	a := write(t, table, steadyPace, testConfig(server.URL()), hour)
	owns(t, map[*writer]int{a: 8})
	l := p.load(ids, 0, each)
	b := write(t, table, steadyPace, testConfig(server.URL()), hour)
	owns(t, map[*writer]int{a: 4, b: 4})
	c := write(t, table, steadyPace, testConfig(server.URL()), hour)
	natstest.Eventually(t, "three have their shares", func() bool {
		sum, least := 0, 8
		for _, w := range []*writer{a, b, c} {
			n := w.Stats().Owned
			sum, least = sum+n, min(least, n)
		}
		return sum == 8 && least == 2
	})
	if n := c.Stats().Readers; n != 3 {
		t.Errorf("there are %d readers", n)
	}
	b.end()
	a.end()
	owns(t, map[*writer]int{c: 8})
	<-l.done
	natstest.Eventually(t, "all is read", func() bool {
		return a.Stats().Messages+b.Stats().Messages+c.Stats().Messages >= ids*each
	})
	c.end() // which has its lanes written
	table.right(t, ids, each)
	if table.duplicates > 0 {
		t.Errorf("%d messages were repeated", table.duplicates)
	}
	for name, w := range map[string]*writer{"a": a, "b": b, "c": c} {
		if s := w.Stats(); s.TakenOver > 0 || s.Fenced > 0 || s.GivenBack == 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	recorded.check(t)
}

// A drain in the middle of a load: everything that was routed is settled and the
// floors are exact, so the next reader begins with what comes next.
func TestDrain(t *testing.T) {
	server := natstest.Start(t)
	p := publish(t, server.URL())
	p.stream("s", 4, jetstream.FileStorage)
	table := newTable()
	const ids, each = 10, 400
	l := p.load(ids, 0, each)
	for i := 1; table.count() < ids*each; i++ {
		w := write(t, table, steadyPace, testConfig(server.URL()))
		table.wait(t, min(ids*each, i*ids*each/8))
		w.end()
		p.floors(func(partition int, at place) {
			if at.Owner != "" {
				t.Errorf("partition %d has an owner after the drain", partition)
			}
			// What is behind the floor is not stored, and what is before it is.
			m, err := p.js.Stream(t.Context(), "s")
			if err != nil {
				t.Fatal(err)
			}
			for seq, behind := at.Floor, false; ; seq, behind = seq+1, true {
				raw, err := m.GetMsg(t.Context(), seq)
				if err != nil && behind {
					break
				}
				if err != nil || raw.Subject != jet.Subject("s", partition) {
					continue
				}
				carrier, err := jet.ReadCarrier(raw.Data)
				if err != nil {
					t.Fatal(err)
				}
				var message engine.Message
				carrier.Next(&message)
				table.mu.Lock()
				stored := table.keys[fmt.Sprint(message.ID, "/", message.Seq, "/c")]
				table.mu.Unlock()
				if stored == behind {
					t.Errorf("partition %d has its floor at %d, and %d is stored: %v", partition, at.Floor, seq, stored)
				}
				if behind {
					break
				}
			}
		})
	}
	<-l.done
	table.right(t, ids, each)
	if table.duplicates > 0 {
		t.Errorf("%d messages were repeated", table.duplicates)
	}
}

// Whose sender waits for room goes on sending heartbeats: nobody takes its partitions.
func TestBlockedReaderLives(t *testing.T) {
	server := natstest.Start(t)
	p := publish(t, server.URL())
	p.stream("s", 2, jetstream.FileStorage)
	calm := quickPace
	calm.lease, calm.dead = 2*time.Second, 12
	blocked := transporttest.NewRouter()
	blocked.Block()
	a := serve(t, blocked, calm, testConfig(server.URL()))
	b := serve(t, transporttest.NewRouter(), calm, testConfig(server.URL()))
	natstest.Eventually(t, "both have one", func() bool { return a.Stats().Owned == 1 && b.Stats().Owned == 1 })
	for i := range 20 {
		p.send(fmt.Sprint("id-", i), 1)
	}
	await(t, blocked, "Route to block", func(s transporttest.State) bool { return s.Blocked == 1 })
	beats := func() int {
		b.mu.Lock()
		s := b.session
		b.mu.Unlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.mine().members.beats
	}
	enough := beats() + calm.dead + 2
	natstest.Eventually(t, "time passes", func() bool { return beats() >= enough })
	if a.Stats().Owned != 1 || b.Stats().Owned != 1 || b.Stats().TakenOver != 0 {
		t.Errorf("%+v, %+v", a.Stats(), b.Stats())
	}
	blocked.Unblock()
	p.send("id-0", 2)
	natstest.Eventually(t, "all is settled", func() bool {
		return a.Stats().Behind+b.Stats().Behind == 0 && a.Stats().Messages+b.Stats().Messages == 21
	})
}

// Where the sink is far behind, the next reader does not wait for it: it begins behind
// the floor, and what the first one still has is not its own any more.
func TestHandOverOfABacklog(t *testing.T) {
	server := natstest.Start(t)
	p := publish(t, server.URL())
	p.stream("s", 2, jetstream.FileStorage)
	slow := transporttest.NewRouter()
	a := serve(t, slow, quickPace, testConfig(server.URL()))
	ids := map[int]string{} // one of each partition
	for i := 0; len(ids) < 2; i++ {
		id := fmt.Sprint("id-", i)
		ids[p.partition(id)] = id
	}
	p.send(ids[0], 1)
	p.send(ids[1], 1)
	await(t, slow, "what is stored", settled(2))
	slow.Hold()
	for seq := int64(2); seq < 12; seq++ {
		p.send(ids[0], seq)
		p.send(ids[1], seq)
	}
	await(t, slow, "what is not", func(s transporttest.State) bool { return s.Pending == 20 })
	quick := transporttest.NewRouter()
	b := serve(t, quick, quickPace, testConfig(server.URL()))
	natstest.Eventually(t, "each has one", func() bool { return a.Stats().Owned == 1 && b.Stats().Owned == 1 })
	await(t, quick, "what was not stored", settled(10))
	ms := quick.Messages()
	if ms[0].Seq != 2 || ms[9].Seq != 11 {
		t.Errorf("routed are %s", reports(ms))
	}
	for _, m := range slow.Messages() {
		if m.Kind == engine.Report && m.ID == ms[0].ID && m.Lease.Held() {
			t.Fatalf("(%s, %d) may be written by both", m.ID, m.Seq)
		}
	}
	slow.Release()
}

// A reader loses its leases while it gives partitions back: their keys say that they
// are its own, and it has its share. They do not stay unread.
func TestLeasesEndInAHandOver(t *testing.T) {
	server := natstest.Start(t)
	proxy := natstest.NewProxy(t, server.Address())
	p := publish(t, server.URL())
	p.stream("s", 4, jetstream.FileStorage)
	held := transporttest.NewRouter()
	pace := quickPace
	pace.dead, pace.handOver = 600, usualPace.purge
	a := serve(t, held, pace, testConfig(proxy.URL))
	natstest.Eventually(t, "one has all", func() bool { return a.Stats().Owned == 4 })
	held.Hold()
	for i := range 20 {
		p.send(fmt.Sprint("id-", i), 1)
	}
	await(t, held, "all", func(s transporttest.State) bool { return s.Pending == 20 })
	b := serve(t, transporttest.NewRouter(), pace, testConfig(server.URL()))
	natstest.Eventually(t, "it knows the other one", func() bool { return a.Stats().Readers == 2 })
	natstest.Eventually(t, "it gives back two", func() bool {
		count := 0
		for _, p := range a.session.all() {
			if p.leaves() {
				count++
			}
		}
		return count == 2
	})
	proxy.ToServer(func(f natstest.Frame) natstest.Verdict {
		if strings.HasPrefix(f.Subject, "$KV.") {
			return natstest.Drop
		}
		return natstest.Pass
	})
	natstest.Eventually(t, "it has lost all", func() bool { return a.Stats().Owned == 0 })
	proxy.ToServer(nil)
	held.Release()
	natstest.Eventually(t, "each has its share", func() bool { return a.Stats().Owned == 2 && b.Stats().Owned == 2 })
}

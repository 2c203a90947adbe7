package nats

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/internal/natstest"
)

// Whatever hangs of a reader: the other one stores everything, once and in order; and
// what the first one does when it comes back changes nothing.
func TestTakeover(t *testing.T) {
	isBeat := func(f natstest.Frame) bool { return strings.Contains(f.Subject, ".reader.") }
	for name, halt := range map[string]func(*testing.T, *natstest.Proxy, *writer) (resume func()){
		"it hangs": func(_ *testing.T, p *natstest.Proxy, _ *writer) func() {
			drop := func(natstest.Frame) natstest.Verdict { return natstest.Hold }
			p.ToServer(drop)
			p.ToClient(drop)
			return func() {
				p.ToServer(nil)
				p.ToClient(nil)
				p.Release()
			}
		},
		"it is cut off": func(_ *testing.T, p *natstest.Proxy, _ *writer) func() {
			p.ToServer(func(natstest.Frame) natstest.Verdict { return natstest.Cut })
			p.Cut()
			return func() { p.ToServer(nil) }
		},
		"its heartbeats are lost": func(_ *testing.T, p *natstest.Proxy, _ *writer) func() {
			p.ToServer(func(f natstest.Frame) natstest.Verdict {
				if isBeat(f) {
					return natstest.Drop
				}
				return natstest.Pass
			})
			return func() { p.ToServer(nil) }
		},
		"it hangs in the database too": func(_ *testing.T, p *natstest.Proxy, w *writer) func() {
			release := w.sink.hang()
			p.ToServer(func(natstest.Frame) natstest.Verdict { return natstest.Hold })
			return func() {
				p.ToServer(nil)
				p.Release()
				release()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := natstest.Start(t)
			proxy := natstest.NewProxy(t, server.Address())
			p := publish(t, server.URL())
			p.stream("s", 8, jetstream.FileStorage)
			recorded := record(t, p)
			table := newTable()
			a := write(t, table, quickPace, testConfig(proxy.URL))
			b := write(t, table, quickPace, testConfig(server.URL()))
			owns(t, map[*writer]int{a: 4, b: 4})
			const ids = 40
			<-p.load(ids, 0, 10).done
			table.wait(t, ids*5)

			resume := halt(t, proxy, a)
			<-p.load(ids, 10, 30).done
			table.right(t, ids, 30)
			owns(t, map[*writer]int{b: 8})
			if taken := b.Stats().TakenOver; taken != 4 {
				t.Errorf("%d partitions were taken over", taken)
			}
			natstest.Eventually(t, "the key of the dead is removed", func() bool { return p.readers() == 1 })

			resume()
			owns(t, map[*writer]int{a: 4, b: 4})
			<-p.load(ids, 30, 40).done
			table.right(t, ids, 40)
			a.end()
			b.end()
			recorded.check(t)
		})
	}
}

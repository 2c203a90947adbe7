package nats

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/natstest"
	"github.com/ingestd/ingestd/transport/transporttest"
)

// kitPartitions are as many that "blocked" and "free", ids of the kit, are in two.
const kitPartitions = 7

// The kit looks for goroutines, and those of the server are in this process: so the
// streams are made before, in memory.
func TestConformance(t *testing.T) {
	server := natstest.Start(t)
	const most = 20
	p := publish(t, server.URL())
	for i := range most {
		stream := p.stream(fmt.Sprint("kit-", i), kitPartitions, jetstream.MemoryStorage)
		if _, err := openBucket(t.Context(), p.js, stream.CachedInfo().Config, usualPace.request); err != nil {
			t.Fatal(err)
		}
	}
	var made, flows atomic.Int64
	transporttest.Run(t, transporttest.Subject{
		Silent: true,
		New: func(t testing.TB) (engine.Transport, transporttest.Dial) {
			c := testConfig(server.URL())
			c.Stream = fmt.Sprint("kit-", made.Add(1)-1)
			r, err := open(t.Context(), c, steadyPace)
			if err != nil {
				t.Fatal(err)
			}
			return r, func(context.Context) (transporttest.Sender, error) {
				nc, err := natsgo.Connect(server.URL())
				if err != nil {
					return nil, err
				}
				js, err := jetstream.New(nc)
				return &carrierSender{nc: nc, js: js, subject: c.Stream, flow: uint64(flows.Add(1))}, err
			}
		},
	})
}

// carrierSender publishes carriers for the kit.
type carrierSender struct {
	nc      *natsgo.Conn
	js      jetstream.JetStream
	subject string
	flow    uint64
	n       atomic.Uint64
}

func (s *carrierSender) Send(ctx context.Context, rs ...transporttest.Report) error {
	byPartition := map[int][]engine.Batch{}
	for _, r := range rs {
		p := jet.Partition(r.ID, kitPartitions)
		byPartition[p] = append(byPartition[p], engine.Batch{ID: r.ID, Messages: []engine.Message{{
			ID: r.ID, Seq: r.Seq, Op: "report", Data: []byte(r.Data), Received: testTime, Time: testTime,
		}}})
	}
	for p, batches := range byPartition {
		data := jet.AppendCarrier(nil, jet.Header{Flow: s.flow, N: s.n.Add(1)}, batches)
		if _, err := s.js.Publish(ctx, jet.Subject(s.subject, p), data); err != nil {
			return err
		}
	}
	return nil
}

// Receive gives an error: nobody is told anything.
func (s *carrierSender) Receive(context.Context) (transporttest.Answer, error) {
	return transporttest.Answer{}, errors.New("told nothing")
}

func (s *carrierSender) Vanish() { s.nc.Close() }

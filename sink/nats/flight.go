package nats

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/jet"
)

// flight is the publishing of one Write.
type flight struct {
	*carriers
	sink *Sink
	ctx  context.Context

	err     error // the first
	figures figures
}

// publish is a carrier that is neither acked nor given up.
type publish struct {
	partition int
	piece     int // which one of its part
	at        time.Time
	ack       jetstream.PubAckFuture
}

// publish sends the first carrier of each partition, then waits for their acks, one
// after the other, and sends what comes after each. After an error it sends no more,
// and only waits.
func (f *flight) publish() error {
	defer f.giveUp()
	for _, p := range f.used {
		if f.err != nil {
			break
		}
		if err := f.sink.flow.partitions[p].take(f.ctx); err != nil {
			return err
		}
		f.parts[p].turn = true
		f.send(p, 0)
	}
	for k := 0; ; k++ {
		if k == len(f.out) { // which grows
			return f.err
		}
		if !f.await(f.out[k]) {
			return f.ctx.Err()
		}
	}
}

// noRetries, for the bytes that are sent belong to somebody else later.
var noRetries = jetstream.WithRetryAttempts(0)

// send publishes a carrier of a partition whose turn is ours.
func (f *flight) send(p, k int) {
	piece := f.parts[p].pieces[k]
	data := f.buffer[piece.from:piece.to]
	jet.SetNumber(data, f.sink.flow.partitions[p].next())
	m := nats.Msg{Subject: f.sink.subjects[p], Data: data}
	at := time.Now()
	ack, err := f.sink.js.PublishMsgAsync(&m, noRetries) // which copies the data
	if err != nil {
		f.fail(err)
		return
	}
	f.out = append(f.out, publish{p, k, at, ack})
}

// await waits for one ack. It returns false where the context ended.
func (f *flight) await(out publish) bool {
	p := out.partition
	pieces := f.parts[p].pieces
	select {
	case ack := <-out.ack.Ok():
		f.figures.acked(pieces[out.piece], time.Since(out.at))
		if name := f.sink.config.Stream; ack.Stream != name {
			f.fail(engine.Blocked(fmt.Errorf(
				"what is published to %s is stored by the stream %s, not by %s: one of the two has to give up that subject",
				f.sink.subjects[p], ack.Stream, name)))
		}
	case err := <-out.ack.Err():
		f.fail(err)
	case <-f.ctx.Done():
		return false
	}
	if next := out.piece + 1; next < len(pieces) && f.err == nil {
		f.send(p, next)
	} else {
		f.give(p)
	}
	return true
}

func (f *flight) fail(err error) {
	f.figures.failures++
	if f.err == nil {
		f.err = err
	}
}

func (f *flight) give(p int) {
	f.parts[p].turn = false
	f.sink.flow.partitions[p].give()
}

// giveUp gives back the turns that are left.
func (f *flight) giveUp() {
	for _, p := range f.used {
		if f.parts[p].turn {
			f.give(p)
		}
	}
}

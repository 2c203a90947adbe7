package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/ingestd/ingestd/engine"
)

// restless asks for another flush whenever one is settled, and waits until it is
// accepted: so the line of flushes is never empty.
type restless struct {
	ask, accepted chan int
	flushes       int
	stored        bool
	over          chan struct{}
}

// mostOfRestless is how many flushes it asks for before it gives up.
const mostOfRestless = 100_000

func (*restless) Spooled([]engine.Message) {}

func (p *restless) Settled(ms []engine.Message, _ engine.Result, _ error) {
	if ms[0].Kind == engine.Report {
		p.stored = true
		close(p.over)
		return
	}
	switch p.flushes++; {
	case p.stored:
	case p.flushes == mostOfRestless:
		close(p.over)
	default:
		p.ask <- p.flushes
		<-p.accepted
	}
}

// Clients that do nothing but flush do not keep others from hearing that they are
// stored.
func TestFlushesLeaveGroupsTheirTurn(t *testing.T) {
	o := engine.DefaultOptions()
	o.Writers, o.BatchSize = 1, 1
	e, err := engine.New(discard{}, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	p := &restless{ask: make(chan int), accepted: make(chan int), over: make(chan struct{})}
	route := func(m engine.Message) {
		if err := e.Route(context.Background(), m, p); err != nil {
			t.Error(err)
		}
	}
	route(engine.Message{Kind: engine.Flush, ID: "0"})
	for going := true; going; {
		select {
		case n := <-p.ask:
			if n == 1 {
				route(engine.Message{ID: "report", Data: []byte("1")})
			}
			route(engine.Message{Kind: engine.Flush, ID: fmt.Sprint(n % 2)})
			p.accepted <- n
		case <-p.over:
			going = false
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !p.stored {
		t.Errorf("%d flushes were settled before a report", mostOfRestless)
	}
}

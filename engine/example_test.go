package engine_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// printer is a sink that prints what it is to store.
type printer struct{}

func (printer) Write(_ context.Context, batches []engine.Batch) ([]engine.Result, error) {
	for _, b := range batches {
		for _, m := range b.Messages {
			if string(m.Data) == `"bad"` {
				return nil, engine.Permanent(errors.New("nobody wants this"))
			}
		}
		fmt.Printf("stored %d of %s", len(b.Messages), b.ID)
		if b.End != "" {
			fmt.Printf(", which ends: %s", b.End)
		}
		fmt.Println()
	}
	return nil, nil
}

func (printer) Close() error {
	fmt.Println("closed")
	return nil
}

// teller is a producer that prints what it hears.
type teller struct{ name string }

func (t *teller) Spooled([]engine.Message) {}

func (t *teller) Settled(ms []engine.Message, _ engine.Result, err error) {
	fmt.Printf("%s hears of %d of %s: %v\n", t.name, len(ms), ms[0].ID, err)
}

// A host program without a transport calls Route itself.
func Example() {
	e, err := engine.New(printer{}, engine.DefaultOptions())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()

	rig := &teller{"rig"}
	for i := range 3 {
		m := engine.Message{ID: "motor-1", Op: "report", Data: fmt.Appendf(nil, `{"rpm":%d}`, 900+i)}
		if err := e.Route(ctx, m, rig); err != nil {
			fmt.Println(err)
		}
	}
	if err := e.Route(ctx, engine.Message{Kind: engine.Done, ID: "motor-1"}, rig); err != nil {
		fmt.Println(err)
	}
	stop() // Run drains: it stores what is collected, closes the sink, and returns
	fmt.Println("ended:", <-ended)
	// Output:
	// stored 3 of motor-1, which ends: op
	// rig hears of 3 of motor-1: <nil>
	// rig hears of 1 of motor-1: <nil>
	// closed
	// ended: <nil>
}

// A message that the sink refuses for good is settled with the reason; its stream
// goes on.
func ExamplePermanent() {
	e, err := engine.New(printer{}, engine.DefaultOptions())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	rig := &teller{"rig"}
	for _, data := range []string{`"good"`, `"bad"`} {
		if err := e.Route(ctx, engine.Message{ID: "motor-1", Data: []byte(data)}, rig); err != nil {
			fmt.Println(err)
		}
	}
	stop()
	fmt.Println("ended:", <-ended)
	// Output:
	// stored 1 of motor-1
	// rig hears of 1 of motor-1: <nil>
	// rig hears of 1 of motor-1: nobody wants this
	// closed
	// ended: <nil>
}

// Update changes what may change while the engine runs.
func ExampleEngine_Update() {
	o := engine.DefaultOptions()
	e, err := engine.New(printer{}, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	o.BatchWait = time.Second
	fmt.Println(e.Update(o))
	o.Writers = 8
	fmt.Println(e.Update(o))
	// Output:
	// <nil>
	// writers: cannot be changed while the engine runs
}

// Size is written with a unit.
func ExampleSize() {
	fmt.Println(256*engine.MiB, 1536*engine.KiB, engine.Size(1000))
	// Output: 256MiB 1536KiB 1000B
}

// Secret does not show itself.
func ExampleSecret() {
	password := engine.Secret("swordfish")
	fmt.Printf("%v %q %d %s\n", password, password, password, []engine.Secret{password})
	// Output: ******** ******** ******** [********]
}

// Reject names the one message of a Write that is refused for good.
func ExampleReject() {
	err := fmt.Errorf("insert: %w", engine.Reject(2, 0, errors.New("data too long")))
	fmt.Println(err, engine.IsPermanent(err))
	// Output: insert: message 0 of batch 2: data too long true
}

package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
)

// An engine is alive whatever its sink does: only a fault of the engine's own, or of
// a producer, is none of the sink's.
func TestAliveWhateverTheSinkDoes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	idle, err := engine.New(newStore(), engine.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := idle.Alive(ctx); err != nil {
		t.Errorf("before Run: %v", err)
	}
	for name, fault := range map[string]error{
		"stores": nil, "fails": errors.New("connection refused"), "is blocked": engine.Blocked(errors.New("no such table")),
	} {
		s := newStore()
		written := make(chan struct{}, 1)
		heals := make(chan struct{})
		s.fault = func(context.Context, []engine.Batch) (int, error) {
			poke(written)
			select {
			case <-heals:
				return 0, nil
			default:
				return 0, fault
			}
		}
		r := start(t, s, func(o *engine.Options) { o.BatchSize = 1 })
		r.send("a", "1")
		<-written
		if err := r.Alive(ctx); err != nil {
			t.Errorf("the sink %s: %v", name, err)
		}
		close(heals)
		r.end()
		if err := r.Alive(ctx); err != nil {
			t.Errorf("the sink %s, after Run: %v", name, err)
		}
	}
}

func TestAliveWhileTheSinkHangs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := newStore()
	hangs, goOn := make(chan struct{}, 8), make(chan struct{})
	s.fault = func(context.Context, []engine.Batch) (int, error) {
		poke(hangs)
		<-goOn
		return 0, nil
	}
	r := start(t, s, func(o *engine.Options) { o.BatchSize, o.Writers = 1, 1 })
	r.send("a", "1")
	<-hangs
	r.send("b", "1") // waits behind it
	if err := r.Alive(ctx); err != nil {
		t.Error(err)
	}
	close(goOn)
	r.end()
}

// deaf is a producer that breaks its contract: Settled does not return.
type deaf struct {
	called chan struct{}
	goOn   chan struct{}
}

func (d *deaf) Spooled([]engine.Message) {}
func (d *deaf) Settled([]engine.Message, engine.Result, error) {
	poke(d.called)
	<-d.goOn
}

func TestAliveNamesWhatIsStuck(t *testing.T) {
	d := &deaf{make(chan struct{}, 8), make(chan struct{})}
	s := newStore()
	written := make(chan struct{}, 8)
	s.fault = func(context.Context, []engine.Batch) (int, error) { written <- struct{}{}; return 0, nil }
	r := start(t, s, func(o *engine.Options) { o.BatchSize, o.Writers = 1, 1 })
	route := func(id string) {
		if err := r.Route(t.Context(), engine.Message{ID: id, Data: []byte("1")}, d); err != nil {
			t.Fatal(err)
		}
		<-written
	}
	stuck := func(part string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := r.Alive(ctx); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name the %s", err, part)
		}
	}
	route("a")
	<-d.called
	stuck("settler of writer 0")
	route("b") // the writer cannot hand it over
	stuck("writer 0")
	close(d.goOn)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Alive(ctx); err != nil {
		t.Errorf("once it goes on: %v", err)
	}
	r.stop()
	if err := <-r.result; err != nil {
		t.Error(err)
	}
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

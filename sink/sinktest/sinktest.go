// Package sinktest checks that a sink keeps the contract of [engine.Sink]. Give
// it a function that makes an empty sink:
//
//	func TestConformance(t *testing.T) {
//		sinktest.Run(t, func(t *testing.T) sinktest.Target {
//			s := open(t)
//			return sinktest.Target{Sink: s, Rows: s.readBack, Remembers: true}
//		})
//	}
//
// Each case is a subtest with a new sink. Where it fails it prints the sentence
// of the contract that the sink does not keep. A sink that is a [sink.Reader] is held
// to that contract, too.
package sinktest

import (
	"context"
	"testing"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/sink"
)

// Target is a sink to be checked, and what may be expected of it. The contract
// lets a sink know nothing of what it stored before; one that does says so here,
// and is held to it.
type Target struct {
	// Sink is empty. The kit closes it.
	Sink engine.Sink

	// Rows reads back every message that is stored, those of one stream in the
	// order in which a reader of the store finds them. It sees what is durable,
	// not what the sink has in its memory: through a connection of its own, or
	// from the file. It is called after Close, too. Kind, Tag and Pos are not
	// compared, times to the microsecond.
	Rows func(ctx context.Context) ([]engine.Message, error)

	// Streams reads back the streams; nil where the sink keeps none.
	Streams func(ctx context.Context) (map[string]Stream, error)

	// Remembers: it knows what is stored, and tells duplicates from conflicts.
	Remembers bool

	// Counts: Result.Rows is the number of messages of the stream.
	Counts bool

	// Resumes: Result.LastSeq is the last number of the client.
	Resumes bool
}

// Stream is what is stored of a stream.
type Stream struct {
	Done     bool
	Messages int64
	FirstSeq int64
	LastSeq  int64
	FirstAt  time.Time
	LastAt   time.Time
	Reason   engine.EndReason // empty where it is not done
	Code     int64
	Data     string // empty where it ended without a Done
	EndedAt  time.Time
}

// A rule is a case of the kit.
type rule struct {
	name string

	// says is the sentence of the contract.
	says string

	// applies tells whether it can be asked of t; nil: of every sink.
	applies func(t Target) bool

	// check says in what the sink breaks it.
	check func(ctx context.Context, t Target) error
}

// limit is how long a case may take. A sink that has not come back by then does
// not come back.
const limit = 2 * time.Minute

// Run checks a sink, in one subtest for each rule that applies to it.
func Run(t *testing.T, open func(t *testing.T) Target) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			target := open(t)
			if r.applies != nil && !r.applies(target) {
				_ = target.Sink.Close()
				t.Skip("this sink does not say that it can")
			}
			if err := r.run(target); err != nil {
				t.Errorf("%v\n\nThe contract says: %s", err, r.says)
			}
		})
	}
}

// run checks one rule and closes the sink.
func (r *rule) run(target Target) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	s := &closer{Sink: target.Sink}
	target.Sink = s
	err := r.check(ctx, target)
	if e := s.Close(); err == nil {
		err = e
	}
	return err
}

// closer closes a sink once, also where a case has done so already.
type closer struct {
	engine.Sink
	closed bool
}

func (c *closer) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return c.Sink.Close()
}

var rules = func() []rule {
	var all []rule
	for _, some := range [][]rule{storeRules, memoryRules, duplicateRules, endRules, readRules} {
		all = append(all, some...)
	}
	return all
}()

func remembers(t Target) bool { return t.Remembers }

// reads tells whether the sink is a sink.Reader.
func reads(t Target) bool {
	_, ok := t.Sink.(sink.Reader)
	return ok
}

func streams(t Target) bool { return t.Streams != nil }

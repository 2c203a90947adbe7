package ladder

import (
	"context"
	"time"
)

// design is one rung of the ladder.
type design interface {
	// receive takes a message, on the goroutine of its connection. When ctx ends,
	// so does the process that the design was made for.
	receive(ctx context.Context, m message)

	// stop does what the design does at its end, if anything, and returns when it
	// has no goroutine left. Nothing is received any more, and the ctx of receive
	// has ended.
	stop()
}

// times are how long the designs that collect messages wait.
type times struct {
	look   time.Duration // between two looks for new channels
	linger time.Duration // for a batch to fill
}

// published are the times of the design as it was published.
var published = times{look: 2 * time.Second, linger: 10 * time.Second}

// batchSize is how many messages are written at once.
const batchSize = 10

// ladder has the rungs in the order of the story.
var ladder = []struct {
	name string
	make func(context.Context, *store, times) design
}{
	{"direct", newDirect},
	{"direct-tx", newDirectTx},
	{"lock", newLock},
	{"transaction", newTransaction},
	{"map", newMaps},
	{"map-locked", newLockedMaps},
	{"channels", newChannels},
	{"channels-repaired-rows", newRepairedRows},
	{"channels-repaired", newRepairedBulk},
}

// Designs are the names of all, in the order in which they came.
func Designs() []string {
	var names []string
	for _, rung := range ladder {
		names = append(names, rung.name)
	}
	return names
}

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

	// connections is how many there are to the database: what suits two cores.
	// Who writes single messages gains by more, since they share syncs.
	connections int
}{
	{"direct", newDirect, 64},
	{"direct-tx", newDirectTx, 64},
	{"lock", newLock, 64},
	{"transaction", newTransaction, 64},
	{"map", newMaps, 16},
	{"map-locked", newLockedMaps, 16},
	{"channels", newChannels, 16},
	{"channels-repaired", newRepairedRows, 16},
	{"channels-bulk", newRepairedBulk, 16},
}

// Designs are the names of all, in the order in which they came.
func Designs() []string {
	var names []string
	for _, rung := range ladder {
		names = append(names, rung.name)
	}
	return names
}

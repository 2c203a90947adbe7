package nats

import "slices"

// share is how many of so many partitions a reader is to have. All readers that see
// the same names come to shares that are all partitions together.
func share(partitions int, self string, others []string) int {
	names := slices.Sorted(slices.Values(append([]string{self}, others...)))
	n := partitions / len(names)
	if slices.Index(names, self) < partitions%len(names) {
		n++
	}
	return n
}

// holding says who has a partition, as far as one reader knows.
type holding uint8

const (
	others holding = iota // somebody else, who lives
	free                  // nobody, or somebody who is dead
	mine
	lost    // I had it, and the bucket says so still: nobody else can claim it
	leaving // it was mine, and I am giving it back
)

// plan says what a reader does that is to have a share: which partitions it may claim,
// or how many it gives back. It does not do more than it must. What it has lost it
// claims, even if that is too much: so it can give it back.
//
// Readers look for free ones from different places on, so that they do not all try
// the same.
func plan(all []holding, share, from int) (claim []int, give int) {
	have := 0
	for p, h := range all {
		switch h {
		case mine:
			have++
		case lost:
			claim = append(claim, p)
		}
	}
	give = max(0, have-share)
	have += len(claim)
	for i := range all {
		if have >= share {
			break
		}
		if p := (from + i) % len(all); all[p] == free {
			claim = append(claim, p)
			have++
		}
	}
	return claim, give
}

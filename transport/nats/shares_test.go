package nats

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// The shares of all readers are all partitions, and differ by one at most.
func TestShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := rapid.IntRange(1, 200).Draw(t, "partitions")
		var names []string
		for i := range rapid.IntRange(1, 20).Draw(t, "readers") {
			names = append(names, strconv.Itoa(i*7))
		}
		sum, least, most := 0, partitions, 0
		for i, self := range names {
			n := share(partitions, self, slices.Delete(slices.Clone(names), i, i+1))
			sum, least, most = sum+n, min(least, n), max(most, n)
		}
		if sum != partitions || most-least > 1 {
			t.Errorf("the shares are %d together, from %d to %d", sum, least, most)
		}
	})
}

// However readers join, leave and die, and in whatever order they act: they come to
// rest, each partition has one owner then, each reader has its share, and no more
// partitions were moved than had to be.
func TestPlanConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := rapid.IntRange(1, 70).Draw(t, "partitions")
		owner := make([]string, partitions) // "" nobody
		giving := make([]bool, partitions)
		alive := []string{}
		for next := range rapid.IntRange(1, 8).Draw(t, "changes") {
			switch what := rapid.IntRange(0, 3).Draw(t, "what"); {
			case what < 2 || len(alive) < 2:
				alive = append(alive, strconv.Itoa(rapid.IntRange(100, 999).Draw(t, "name"))+"-"+strconv.Itoa(next))
			default:
				i := rapid.IntRange(0, len(alive)-1).Draw(t, "who")
				gone := alive[i]
				alive = slices.Delete(alive, i, i+1)
				for p := range owner {
					if owner[p] == gone && what == 2 { // it gives all back; else it is dead, and its name stays
						owner[p] = ""
					}
					giving[p] = giving[p] && owner[p] != gone
				}
			}
			moves, least := 0, 0
			for _, self := range alive {
				have := 0
				for p := range owner {
					if owner[p] == self {
						have++
					}
				}
				least += max(0, share(partitions, self, without(alive, self))-have)
			}
			for steps := 0; ; steps++ {
				if steps > 4*partitions+20 {
					t.Fatalf("no rest: %v have %v", alive, owner)
				}
				rest := true
				for range 2 * len(alive) { // some act more often than others
					i := rapid.IntRange(0, len(alive)-1).Draw(t, "acts")
					moves += act(alive[i], alive, owner, giving)
				}
				for _, self := range alive {
					n := act(self, alive, owner, giving)
					moves += n
					rest = rest && n == 0
				}
				if !slices.Contains(giving, true) && rest {
					break
				}
				for p := range giving { // some of what is given back is free now
					if giving[p] && rapid.Bool().Draw(t, "settled") {
						owner[p], giving[p] = "", false
					}
				}
			}
			count := map[string]int{}
			for _, o := range owner {
				count[o]++
			}
			for _, self := range alive {
				if n := share(partitions, self, without(alive, self)); count[self] != n {
					t.Fatalf("%s has %d, not %d", self, count[self], n)
				}
				delete(count, self)
			}
			if len(count) > 0 {
				t.Fatalf("partitions of nobody: %v", count)
			}
			if moves != least {
				t.Fatalf("%d were claimed, and %d would do", moves, least)
			}
		}
	})
}

// act does what a reader plans, and gives how many it has claimed.
func act(self string, alive, owner []string, giving []bool) int {
	all := make([]holding, len(owner))
	for p, o := range owner {
		switch {
		case o == self && giving[p]:
			all[p] = leaving
		case o == self:
			all[p] = mine
		case o == "" || !slices.Contains(alive, o):
			all[p] = free
		}
	}
	claim, give := plan(all, share(len(owner), self, without(alive, self)), len(self)%len(owner))
	for p := range all {
		if all[p] == mine && give > 0 {
			giving[p] = true
			give--
		}
	}
	for _, p := range claim {
		owner[p] = self
	}
	return len(claim)
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
}

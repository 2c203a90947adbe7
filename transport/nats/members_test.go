package nats

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Nobody is found dead whose lease is held, however late heartbeats are stored, acked
// and read, and whichever are lost.
func TestNobodyDiesWithALease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := make([]*simulated, rapid.IntRange(2, 4).Draw(t, "readers"))
		var log []stored
		for i := range all { // each has just had a heartbeat, and leases by it
			log = append(log, stored{by: i})
			all[i] = &simulated{
				id: i, members: newMembers(usualPace.dead), wake: rapid.IntRange(1000, 3000).Draw(t, "begin"),
				acked: -1, until: int(usualPace.lease.Milliseconds()),
			}
		}
		for range 300 {
			r := slices.MinFunc(all, func(a, b *simulated) int { return cmp.Compare(a.wake, b.wake) })
			r.step(t, &log, all)
		}
	})
}

func name(id int) string { return string(rune('a' + id)) }

// simulated is a reader in milliseconds of a common time, which it does not know.
type simulated struct {
	id      int
	members *members
	wake    int // when it does the next thing

	sent  int // when its last heartbeat was sent
	acked int // when that was acked; -1: it was not
	until int // its lease
	read  int // how much of the log it has read
}

// extend has the lease extended by the heartbeat before, if it was acked by now and the
// lease was held then.
func (r *simulated) extend(now int) {
	if r.acked >= 0 && r.acked <= now && r.acked < r.until {
		r.until = max(r.until, r.sent+int(usualPace.lease.Milliseconds()))
	}
}

// stored is a heartbeat in the log, whose revision is its place and one.
type stored struct{ at, sent, by int }

func (r *simulated) step(t *rapid.T, log *[]stored, all []*simulated) {
	now := r.wake
	delay := func(what string) int {
		switch rapid.IntRange(0, 9).Draw(t, what) {
		case 0:
			return rapid.IntRange(0, 9000).Draw(t, "ms")
		case 1:
			return rapid.IntRange(0, 1500).Draw(t, "ms")
		}
		return rapid.IntRange(0, 20).Draw(t, "ms")
	}
	// What is stored by now is in the log in that order; it reads some of it.
	stand := slices.IndexFunc(*log, func(s stored) bool { return s.at > now })
	if stand < 0 {
		stand = len(*log)
	}
	mine := -1
	for i, s := range (*log)[:stand] {
		if s.by == r.id && s.sent == r.sent {
			mine = i + 1
		}
	}
	to := r.read
	if stand > r.read {
		to = rapid.IntRange(r.read, stand).Draw(t, "read")
		if rapid.Bool().Draw(t, "all") {
			to = stand
		}
	}
	for ; r.read < to; r.read++ {
		if s := (*log)[r.read]; s.by != r.id {
			r.members.saw(name(s.by), uint64(r.read+1))
		}
	}
	if r.acked >= 0 && mine > 0 && r.read >= mine {
		r.members.beat(uint64(mine))
		for _, o := range all {
			o.extend(now)
			if o != r && !r.members.holds(name(o.id)) && now < o.until {
				t.Fatalf("at %d reader %d takes %d for dead, which has a lease until %d", now, r.id, o.id, o.until)
			}
		}
	}
	// The next heartbeat: stored behind whatever is stored by then.
	at := now + delay("to the log")
	if rapid.IntRange(0, 19).Draw(t, "lost") > 0 {
		i, _ := slices.BinarySearchFunc(*log, at+1, func(s stored, at int) int { return cmp.Compare(s.at, at) })
		*log = slices.Insert(*log, i, stored{at, now, r.id})
	} else {
		at = now + 1<<30
	}
	ack := at + delay("back")
	request, beat := int(usualPace.request.Milliseconds()), int(usualPace.beat.Milliseconds())
	r.extend(now)
	r.sent, r.acked, r.wake = now, ack, ack+beat
	if ack > now+request {
		r.acked, r.wake = -1, now+request+beat
	}
}

// Where my own heartbeats are not stored, or not read back, nobody dies.
func TestMembers(t *testing.T) {
	m := newMembers(3)
	if !m.holds("unknown") {
		t.Error("a reader of whom nothing is known yet has no leases")
	}
	m.saw("b", 1)
	m.saw("a", 2)
	m.saw("ahead", 9)
	for _, revision := range []uint64{3, 4} {
		m.beat(revision)
	}
	if !m.holds("a") || !slices.Equal(m.live(), []string{"a", "ahead", "b"}) {
		t.Error("dead after two heartbeats:", m.live())
	}
	m.saw("b", 5)
	m.beat(6)
	if m.holds("a") || !m.holds("b") || !slices.Equal(m.live(), []string{"ahead", "b"}) {
		t.Error("alive are", m.live())
	}
	if m.holds("unknown") {
		t.Error("a reader that nobody ever saw has leases")
	}
	// A key that was taken away: no share, and leases for as long as it may have some.
	m.gone("b", 7)
	if !m.holds("b") || !slices.Equal(m.live(), []string{"ahead"}) {
		t.Error("alive are", m.live())
	}
	m.beat(8)
	m.beat(9)
	m.beat(10)
	if m.holds("b") || m.others["b"] != nil {
		t.Error("b is not forgotten")
	}
	if keys := m.silent(4); len(keys) != 1 || keys["a"] != 2 {
		t.Error("silent are", keys)
	}
	m.saw("a", 11) // it was hung
	if !m.holds("a") {
		t.Error("a does not come back")
	}
}

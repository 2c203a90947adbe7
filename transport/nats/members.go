package nats

import (
	"maps"
	"slices"

	"github.com/ingestd/ingestd/internal/seedbug"
)

// members are the readers of a group as the bucket shows them. The order of the
// bucket's log is the only clock: another reader is dead when so many heartbeats of my
// own, one after the other, were stored behind its last one, each of which was acked
// and read back. Where nobody can store a heartbeat nobody dies.
//
// That is safe for this reason. Its last heartbeat, which is the last that extended its
// leases, was sent at a time T. The first of mine that counts was stored after it, and
// I sent the next one at least a beat after I knew that; so the sixth was sent five
// beats after T at the earliest, and the leases end four after it.
type members struct {
	dead   int // how many of my heartbeats a silent one outlives
	beats  int // mine, in all
	others map[string]*member
}

type member struct {
	revision uint64 // of its last heartbeat
	missed   int    // my heartbeats since
	left     bool   // it has taken its key away
}

func newMembers(dead int) *members {
	return &members{dead: dead, others: make(map[string]*member)}
}

// saw notes a heartbeat of another reader.
func (m *members) saw(name string, revision uint64) {
	m.others[name] = &member{revision: revision}
}

// gone notes that its key was taken away. It is no member any more; but what it owns
// is free only when it is silent, for its leases may go on.
func (m *members) gone(name string, revision uint64) {
	o := m.others[name]
	if o == nil {
		return
	}
	o.left, o.revision = true, revision
}

// beat notes a heartbeat of my own, which has that place in the log. Whatever is in
// the log before it was seen.
func (m *members) beat(revision uint64) {
	m.beats++
	for name, o := range m.others {
		if o.revision > revision {
			continue
		}
		if seedbug.Is("reader-dead-too-early") {
			o.missed++
		}
		if o.missed++; o.left && o.missed >= m.dead {
			delete(m.others, name)
		}
	}
}

// holds tells whether a reader may still have leases. One of whom nothing is known may
// have had its key taken away by somebody else.
func (m *members) holds(name string) bool {
	if o := m.others[name]; o != nil {
		return o.missed < m.dead
	}
	return m.beats < m.dead
}

// live are the readers that share the partitions, without me, sorted.
func (m *members) live() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.others)) {
		if o := m.others[name]; !o.left && o.missed < m.dead {
			names = append(names, name)
		}
	}
	return names
}

// silent are the keys of those that have missed so many.
func (m *members) silent(missed int) map[string]uint64 {
	keys := make(map[string]uint64)
	for name, o := range m.others {
		if !o.left && o.missed >= missed {
			keys[name] = o.revision
		}
	}
	return keys
}

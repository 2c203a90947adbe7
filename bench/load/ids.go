package load

// idSet are the ids that one connection sends to, in turn.
type idSet struct {
	first, step, of int // first, first+step, ... of them all
	rotate          int // which of them comes first
}

// idsOf gives the ids of a connection. Those that share all of them begin in
// different places.
func (c Config) idsOf(conn int) idSet {
	if c.Shared {
		return idSet{first: 0, step: 1, of: c.IDs, rotate: conn * c.IDs / c.Conns}
	}
	return idSet{first: conn, step: c.Conns, of: (c.IDs - conn + c.Conns - 1) / c.Conns}
}

// at gives the id of the k-th message, and how many went to it before.
func (s idSet) at(k int) (id, count int) {
	turn := k / s.of
	return s.first + (k-turn*s.of+s.rotate)%s.of*s.step, turn
}

// place is where in turn an id comes, or false where it is none of these.
func (s idSet) place(id int) (int, bool) {
	id -= s.first
	if id < 0 || id%s.step != 0 || id/s.step >= s.of {
		return 0, false
	}
	return id / s.step, true
}

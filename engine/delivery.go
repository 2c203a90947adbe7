package engine

import (
	"cmp"
	"slices"

	"github.com/ingestd/ingestd/internal/seedbug"
)

// A delivery is messages of a lane on their way to the sink, and what became of
// them. Whoever works with it owns it: the writer, then what settles its groups, and
// after a failure the lane's goroutine, until it is the writer's again.
type delivery struct {
	lane *lane
	next *delivery // in a queue

	slab  *slab // what nodes and msgs are made of; nil: there are no messages
	nodes []*node
	msgs  []Message // those of nodes, next to each other

	leased     bool // some message has a lease
	attempts   int  // failures since something of it was stored
	tried      int  // how often what is settled now was tried
	suspect    bool // it failed alone
	told       bool // and that was logged
	failure    error
	upto       int // the first upto messages are stored, refused or fenced
	duplicates int // of these
	refusals   []refusal
	answers    []answer
}

// refusal says that msgs[index] is refused for good.
type refusal struct {
	index int
	err   error
}

// answer is the sink's result for the control message msgs[index].
type answer struct {
	index  int
	result Result
}

// newDelivery takes a delivery for l from those that are free.
func (e *Engine) newDelivery(l *lane) *delivery {
	d, ok := e.deliveries.Get().(*delivery)
	if !ok {
		d = new(delivery)
	}
	d.lane = l
	return d
}

// fetch moves the lane's first ready messages to d: at least one, and no more than
// the limits allow. The shard's lock is held.
func (d *delivery) fetch(count int, bytes int64) {
	l := d.lane
	d.slab = newSlab(max(1, min(l.ready, count)))
	d.nodes, d.msgs = d.slab.nodes, d.slab.msgs
	for l.ready > 0 && (len(d.msgs) == 0 || len(d.msgs) < count && int64(len(l.head.Data)) <= bytes) {
		n := l.pop()
		d.nodes = append(d.nodes, n)
		d.msgs = append(d.msgs, n.Message)
		d.leased = d.leased || n.Lease != nil
		bytes -= int64(len(n.Data))
	}
}

// bytes is the size of the messages' data.
func (d *delivery) bytes() (sum int64) {
	for i := range d.msgs {
		sum += int64(len(d.msgs[i].Data))
	}
	return sum
}

// refused gives the reason for which msgs[i] is refused, or nil.
func (d *delivery) refused(i int) error {
	for _, r := range d.refusals {
		if r.index == i {
			return r.err
		}
	}
	return nil
}

// fenced tells whether the lease of msgs[i] was lost before it was written.
func (d *delivery) fenced(i int) bool { return d.leased && d.nodes[i].fenced }

// allFenced tells whether all messages are.
func (d *delivery) allFenced() bool {
	return d.leased && !slices.ContainsFunc(d.nodes, func(n *node) bool { return !n.fenced })
}

// out tells whether msgs[i] is not to be written any more.
func (d *delivery) out(i int) bool { return d.fenced(i) || d.refused(i) != nil }

// answerTo gives the sink's result for the control message msgs[i].
func (d *delivery) answerTo(i int) Result {
	for _, a := range d.answers {
		if a.index == i {
			return a.result
		}
	}
	return Result{Rows: -1, LastSeq: -1}
}

// runs calls f for each run of settled messages that a producer hears of at once:
// consecutive ones of one producer, all stored, all fenced, or a single refused one; a
// control message that is stored stands alone, for it has a result of its own.
func (d *delivery) runs(f func(p Producer, ms []Message, r Result, err error)) {
	slices.SortFunc(d.refusals, func(a, b refusal) int { return cmp.Compare(a.index, b.index) })
	refusals := d.refusals
	for i := 0; i < d.upto; {
		p, j := d.nodes[i].producer, i+1
		if len(refusals) > 0 && refusals[0].index == i {
			f(p, d.msgs[i:j], Result{}, refusals[0].err)
			refusals = refusals[1:]
			i = j
			continue
		}
		if d.fenced(i) {
			for j < d.upto && d.nodes[j].producer == p && d.fenced(j) {
				j++
			}
			err := ErrFenced
			if seedbug.Is("engine-fenced-is-stored") {
				err = nil
			}
			f(p, d.msgs[i:j], Result{Rows: -1, LastSeq: -1}, err)
			i = j
			continue
		}
		if d.msgs[i].Kind != Report {
			f(p, d.msgs[i:j], d.answerTo(i), nil)
			i = j
			continue
		}
		for j < d.upto && d.nodes[j].producer == p && d.msgs[j].Kind == Report &&
			!d.fenced(j) && (len(refusals) == 0 || refusals[0].index != j) {
			j++
		}
		f(p, d.msgs[i:j], Result{}, nil)
		i = j
	}
}

// forget drops the settled messages and what was found out about them, and frees
// their nodes.
func (d *delivery) forget() {
	for _, n := range d.nodes[:d.upto] {
		n.free()
	}
	if d.upto == len(d.msgs) {
		d.slab.free(d.upto)
		d.slab, d.nodes, d.msgs = nil, nil, nil
	} else {
		d.nodes = slices.Delete(d.nodes, 0, d.upto)
		d.msgs = slices.Delete(d.msgs, 0, d.upto)
	}
	later := d.refusals[:0]
	for _, r := range d.refusals {
		if r.index >= d.upto {
			later = append(later, refusal{r.index - d.upto, r.err})
		}
	}
	d.refusals = later
	d.answers = d.answers[:0]
	d.upto, d.duplicates = 0, 0
}

// release gives d back to the engine.
func (e *Engine) release(d *delivery) {
	*d = delivery{refusals: d.refusals, answers: d.answers}
	e.deliveries.Put(d)
}

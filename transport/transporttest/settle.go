package transporttest

import (
	"errors"

	"github.com/ingestd/ingestd/engine"
)

// Settle settles the first n messages of the stream id with err, on the calling
// goroutine, and says how many there were.
func (r *Router) Settle(id string, n int, err error) int {
	done := 0
	for done < n {
		r.mu.Lock()
		run := r.take(id, n-done)
		r.mu.Unlock()
		if len(run) == 0 {
			break
		}
		done += len(run)
		r.settle(run, err)
	}
	return done
}

// settle settles the first n reports of the stream id with err. A transport may route
// control messages of its own: those in between are settled without an error.
func (k *kit) settle(id string, n int, err error) {
	for r := k.router; n > 0; {
		r.mu.Lock()
		run := r.take(id, n)
		r.mu.Unlock()
		reports := len(run)
		if reports == 0 {
			return
		}
		if run[reports-1].message.Kind != engine.Report {
			reports--
		}
		if reports > 0 {
			r.settle(run[:reports:reports], err)
		}
		if rest := run[reports:]; len(rest) > 0 {
			r.settle(rest, nil)
		}
		n -= reports
	}
}

// Spool calls Spooled for everything that is pending.
func (r *Router) Spool() {
	r.mu.Lock()
	by := make(map[engine.Producer][]engine.Message)
	for _, id := range r.order {
		for _, e := range r.streams[id] {
			if e.producer != nil {
				by[e.producer] = append(by[e.producer], e.message)
			}
		}
	}
	r.mu.Unlock()
	for p, ms := range by {
		p.Spooled(ms)
	}
}

// work starts the settling goroutine, where there is something for it. It needs
// the lock.
func (r *Router) work() {
	if r.held || r.working || len(r.order) == 0 {
		return
	}
	r.working = true
	go func() {
		for {
			r.mu.Lock()
			if r.held || len(r.order) == 0 {
				r.working = false
				r.changed.Broadcast()
				r.mu.Unlock()
				return
			}
			run := r.take(r.order[0], 16)
			var err error
			if r.outcome != nil {
				for i := range run {
					if e := r.outcome(run[i].message); i == 0 {
						err = e
					} else if !errors.Is(e, err) {
						// A run shares its outcome: the others come next.
						r.giveBack(run[i:])
						run = run[:i]
						break
					}
				}
			}
			r.mu.Unlock()
			r.settle(run, err)
		}
	}()
}

// take removes up to n messages from the front of a stream, all of one producer;
// a control message ends the run. It needs the lock.
func (r *Router) take(id string, n int) []entry {
	q := r.streams[id]
	i := 0
	for i < len(q) && i < n && q[i].producer == q[0].producer {
		i++
		if q[i-1].message.Kind != engine.Report {
			break
		}
	}
	run := q[:i:i]
	r.put(id, q[i:])
	return run
}

func (r *Router) giveBack(run []entry) {
	id := run[0].message.ID
	r.put(id, append(append([]entry(nil), run...), r.streams[id]...))
}

func (r *Router) put(id string, q []entry) {
	for i, have := range r.order {
		if have == id {
			r.order = append(r.order[:i:i], r.order[i+1:]...)
			break
		}
	}
	if len(q) == 0 {
		delete(r.streams, id)
		return
	}
	r.streams[id] = q
	r.order = append([]string{id}, r.order...)
}

// settle tells the producer of a run, and spoils the run's memory.
func (r *Router) settle(run []entry, err error) {
	ms := make([]engine.Message, len(run))
	r.mu.Lock()
	var result engine.Result
	for i, e := range run {
		ms[i] = e.message
		key := [2]string{e.message.Client, e.message.ID}
		if e.message.Kind == engine.Report && err == nil {
			r.rows[e.message.ID]++
			r.last[key] = max(r.last[key], e.message.Seq)
		}
		result.Rows, result.LastSeq = r.rows[e.message.ID], r.last[key]
	}
	if r.blind {
		result.Rows, result.LastSeq = -1, -1
	}
	r.mu.Unlock()

	if p := run[0].producer; p != nil {
		p.Settled(ms, result, err)
	}
	for i := range ms {
		for j := range ms[i].Data {
			ms[i].Data[j] = 0xFF
		}
		ms[i] = engine.Message{ID: "spoiled: kept from Settled"}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending -= len(run)
	r.changed.Broadcast()
}

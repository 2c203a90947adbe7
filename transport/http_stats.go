package transport

import "sync/atomic"

// HTTPStats are the counters of an HTTP, since it was made.
type HTTPStats struct {
	Requests uint64            // that were served, whatever the answer was
	Refused  uint64            // of which no message was looked at
	Refusals map[string]uint64 // those of them that were not let in, by reason; every reason is there
	Messages uint64            // that the router accepted, control messages too

	Errors map[string]uint64 // error answers by their code; every code is there

	CutSlow uint64 // requests given up because the body came too slowly

	Bodies int64 // what bodies take now, in bytes
}

// httpCounters are what Stats is made of.
type httpCounters struct {
	requests, refused, messages, slow atomic.Uint64

	errorCounters
}

// Stats may be called at any time.
func (h *HTTP) Stats() HTTPStats {
	return HTTPStats{
		Requests: h.stats.requests.Load(),
		Refused:  h.stats.refused.Load(),
		Refusals: h.gate.refusals(),
		Messages: h.stats.messages.Load(),
		Errors:   h.stats.byCode(errorCodes[:]),
		CutSlow:  h.stats.slow.Load(),
		Bodies:   h.bodies.used.Load(),
	}
}

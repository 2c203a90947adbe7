package nats

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/ingestd/ingestd/internal/jet"
)

// What is kept of a flow is forgotten a day after its last carrier, when nothing of it
// can be on its way any more; and of more than 4,096 those are kept that were heard of
// last. A flow that is forgotten and goes on is a new one.
const (
	flowAge   = 24 * time.Hour
	mostFlows = 4096

	forgetEvery = 256 // carriers, for that takes a look at all
)

// flows are the last carriers of the flows of a partition, up to some place in its log.
type flows map[uint64]flowMark

type flowMark struct {
	n  uint64
	at int64 // JetStream's time of that carrier, Unix seconds
}

// stale tells whether a carrier was given up by who published it, and has turned up
// late: a later one of its flow is in the log before it.
func (f flows) stale(h jet.Header) bool {
	mark, known := f[h.Flow]
	return known && h.N <= mark.n
}

// pass notes a carrier.
func (f flows) pass(h jet.Header, at time.Time) {
	if !f.stale(h) {
		f[h.Flow] = flowMark{h.N, at.Unix()}
	}
}

// forget drops what is too old at a time of the log, and too many.
func (f flows) forget(now time.Time) {
	before := now.Add(-flowAge).Unix()
	maps.DeleteFunc(f, func(_ uint64, m flowMark) bool { return m.at < before })
	if len(f) <= mostFlows {
		return
	}
	byAge := slices.SortedFunc(maps.Keys(f), func(a, b uint64) int { return cmp.Compare(f[a].at, f[b].at) })
	for _, flow := range byAge[:len(f)-mostFlows] {
		delete(f, flow)
	}
}

// MarshalJSON writes {"flow in hex": [n, seconds]}.
func (f flows) MarshalJSON() ([]byte, error) {
	texts := make(map[string][2]uint64, len(f))
	for flow, m := range f {
		texts[fmt.Sprintf("%016x", flow)] = [2]uint64{m.n, uint64(m.at)}
	}
	return json.Marshal(texts)
}

// UnmarshalJSON reads the same.
func (f *flows) UnmarshalJSON(b []byte) error {
	var texts map[string][2]uint64
	if err := json.Unmarshal(b, &texts); err != nil {
		return err
	}
	*f = make(flows, len(texts))
	for text, m := range texts {
		flow, err := strconv.ParseUint(text, 16, 64)
		if err != nil {
			return err
		}
		(*f)[flow] = flowMark{m[0], int64(m[1])}
	}
	return nil
}

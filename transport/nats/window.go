package nats

import (
	"time"

	"github.com/ingestd/ingestd/internal/jet"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// The most that a window holds.
const (
	mostCarriers = 8192
	mostIDs      = 1 << 20 // bytes
)

// window is what was read of a partition and is not settled, in the order of the log,
// and the floor before it. Its places count carriers, and never come again.
type window struct {
	floor uint64    // every carrier up to here, by the numbers of the stream, is settled
	at    time.Time // JetStream's time of the carrier at the floor
	flows flows     // those up to the floor

	first    int64 // the place of the oldest
	carriers []carrier
	head     int // the oldest in carriers
	open     int // those of which something is not settled
	ids      int // bytes
}

// carrier is one of them.
type carrier struct {
	seq    uint64
	at     time.Time
	header jet.Header
	ours   bool   // it is a carrier, with a header
	left   int    // messages that are not settled
	stuck  bool   // something of it is not stored, and was not refused: it stays
	ids    string // its streams, as appendID has them
}

// add puts a carrier behind the others and gives its place.
func (w *window) add(c carrier) int64 {
	if w.head > len(w.carriers)/2 && w.head > 64 {
		n := copy(w.carriers, w.carriers[w.head:])
		clear(w.carriers[n:])
		w.carriers, w.head = w.carriers[:n], 0
	}
	w.carriers = append(w.carriers, c)
	if c.left > 0 {
		w.open++
	}
	return w.first + int64(w.len()) - 1
}

func (w *window) len() int { return len(w.carriers) - w.head }

func (w *window) full() bool { return w.len() >= mostCarriers || w.ids >= mostIDs }

// roomy tells whether there is room for more than one.
func (w *window) roomy() bool { return w.len() <= mostCarriers/2 && w.ids <= mostIDs/2 }

// at gives the carrier at a place, nil if the floor has passed it.
func (w *window) get(place int64) *carrier {
	i := place - w.first
	if i < 0 || i >= int64(w.len()) {
		return nil
	}
	return &w.carriers[w.head+int(i)]
}

// settle notes that n messages of a carrier are settled; not ok, that they are not
// stored, and somebody has to read them again. It tells whether they were its last.
func (w *window) settle(place int64, n int, ok bool) (last bool) {
	c := w.get(place)
	if c == nil || c.left == 0 {
		return false
	}
	c.left -= n
	c.stuck = c.stuck || !ok
	if c.left > 0 {
		return false
	}
	w.open--
	w.ids -= len(c.ids)
	c.ids = ""
	return true
}

// note keeps the streams of a carrier, unless it is settled already.
func (w *window) note(place int64, ids []byte) {
	if c := w.get(place); c != nil && c.left > 0 {
		c.ids = string(ids)
		w.ids += len(ids)
	}
}

// advance moves the floor over what is settled, and tells whether it has moved.
func (w *window) advance() (moved bool) {
	for w.len() > 0 {
		c := &w.carriers[w.head]
		if (c.left > 0 || c.stuck) && !seedbug.Is("reader-floor-over-a-hole") {
			return moved
		}
		w.floor, w.at, moved = c.seq, c.at, true
		if c.ours {
			w.flows.pass(c.header, c.at)
		}
		*c = carrier{}
		w.head++
		w.first++
	}
	return moved
}

// oldest is the time of the oldest carrier that is not settled.
func (w *window) oldest() time.Time {
	if w.len() == 0 {
		return time.Time{}
	}
	return w.carriers[w.head].at
}

// streams are the ids of what is not settled, each once.
func (w *window) streams() map[string]struct{} {
	ids := make(map[string]struct{})
	for i := range w.len() {
		for text := w.carriers[w.head+i].ids; text != ""; {
			n := int(text[0]) + 1
			ids[text[1:n]] = struct{}{}
			text = text[n:]
		}
	}
	return ids
}

// appendID appends the id of a stream to those of a carrier.
func appendID(ids []byte, id string) []byte {
	if id == "" || len(id) > 255 { // no stream has that
		return ids
	}
	return append(append(ids, byte(len(id))), id...)
}

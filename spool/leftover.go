package spool

import (
	"fmt"

	"github.com/ingestd/ingestd/engine"
)

// unknown is the result that says nothing.
var unknown = engine.Result{Rows: -1, LastSeq: -1}

// tellLeft tells the producers that still wait for messages of this run that these
// were not stored: they stay on disk. lost says how many do not, since they could
// not be written; they are not pending any more. Nothing else runs now.
func (s *Spool) tellLeft() (lost, err error) {
	gone := 0
	for _, seg := range s.journal.segs {
		if seg.mem != nil {
			gone += seg.reportsLeft()
		}
	}
	s.journal.giveUp(gone)
	if gone > 0 {
		lost = fmt.Errorf("%d messages could neither be written to the spool nor stored", gone)
	}
	c := cursor{s: s, next: s.begin}
	defer c.close()
	var m [1]engine.Message
	for n, _ := s.producers.left(); n > 0; n, _ = s.producers.left() {
		f, ok, readErr := c.read()
		if !ok {
			err = readErr
			break
		}
		if f.position < s.begin || s.journal.isSettled(c.seg, f.position) || s.feeder.handedOn(f.position, f.id()) {
			continue
		}
		h, decodeErr := s.feeder.decode.decode(&f, &m[0])
		if decodeErr != nil {
			continue
		}
		m[0].ID = string(f.id())
		s.producers.get(h).tell(m[:], unknown, engine.ErrUndelivered)
	}
	// A record that cannot be read any more does not say whose it is: its producer
	// hears of a message without a name, so that it waits no longer.
	n, who := s.producers.left()
	if n > 0 {
		s.log.Error("messages of this run cannot be read back", "messages", n)
	}
	for _, p := range who {
		p.tell(make([]engine.Message, p.waiting), unknown, engine.ErrUndelivered)
	}
	return lost, err
}

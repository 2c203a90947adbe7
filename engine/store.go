package engine

import (
	"errors"
	"fmt"

	"github.com/ingestd/ingestd/internal/seedbug"
)

// refusalsToBlock is after how many refusals in a row, with nothing stored in
// between, the fault is taken to be the sink's and not the messages'.
const refusalsToBlock = 100

// rejectsToSplit is after how many rejected messages the rest of a group is split:
// one bad message costs one more write, many bad ones cost no more than halving.
const rejectsToSplit = 4

// A span is a part of a delivery's messages: those from lo up to hi.
type span struct {
	d      *delivery
	lo, hi int
}

// store writes the spans until they are stored or refused, or the sink fails. It
// goes left to right, so that a stream's messages are stored in order: once a part
// of a delivery has failed, what is behind it is left out. It returns false if the
// engine gave up on the sink meanwhile; then nothing of the deliveries may be
// touched.
func (w *writer) store(spans []span) bool {
	for rejects := 0; ; {
		if w.tries <= 0 {
			fail(spans, w.lastErr)
			return true
		}
		spans = w.fence(spans)
		count := w.build(spans)
		if len(w.batches) == 0 {
			w.finish(spans, nil)
			return true
		}
		w.touching.Unlock()
		results, err := w.engine.write(w.batches, w.leases, &w.figures)
		if !w.enter() {
			return false
		}
		w.wrote = true
		place, why := w.rejected(err)
		switch {
		case err == nil:
			if w.finish(spans, results) > 0 {
				w.engine.refusals.Store(0)
			}
			w.tries, w.stored = w.allowed, true
			// The end of a stream is no message: a sink that takes that alone may
			// refuse every message as before.
			if w.engine.refusals.Load() < refusalsToBlock {
				w.failures = 0
				w.engine.health.stored(w.engine.log)
			}
			return true
		case w.engine.writing.Err() != nil: // given up
			w.tries, w.lastErr = 0, err
		case w.lost(): // that ended it, and says nothing of the sink
			continue
		case IsBlocked(err):
			w.give(err)
		case why != nil:
			rejects++
			refused := w.refuse(place, why)
			if refused && count > 1 {
				w.engine.retries.split.Add(1)
			}
			if !refused || rejects < rejectsToSplit || count < 3 {
				continue
			}
		case IsPermanent(err) && count == 1:
			w.refuse(w.places[0], err)
			continue
		case IsPermanent(err):
			w.engine.retries.split.Add(1)
		default:
			w.tries--
			w.lastErr = err
			w.engine.retries.transient.Add(1)
			d := alone(spans)
			if d == nil || !d.suspect || w.broken() { // else it says nothing of the sink
				w.failures++
				w.engine.health.fail(w.engine.log, err)
			}
			if d != nil {
				d.suspect = true
			}
			if count == 1 {
				fail(spans, err)
				return true
			}
		}
		if w.tries > 0 {
			left, right := halve(spans)
			return w.store(left) && w.store(right)
		}
	}
}

// give gives the group back: nothing more of it is tried now.
func (w *writer) give(err error) {
	w.tries = 0
	w.failures = max(w.failures+1, outageAfter)
	w.lastErr = err
	w.engine.retries.blocked.Add(1)
	w.engine.health.block(w.engine.log, err)
}

// build makes the batches of the spans, without what is refused or fenced already and
// what must wait for a failed part. It returns how many messages and ends they have.
func (w *writer) build(spans []span) (count int) {
	w.batches, w.places = w.batches[:0], w.places[:0]
	for _, s := range spans {
		if s.d.failure != nil && !seedbug.Is("engine-overtake-a-failure") {
			continue
		}
		whole := !s.d.leased && len(s.d.refusals) == 0 // as it nearly always is
		for i := s.lo; i < s.hi; {
			start, msgs := i, s.d.msgs
			for i < s.hi && msgs[i].Kind == Report && (whole || !s.d.out(i)) {
				i++
			}
			b := Batch{ID: s.d.lane.id, Messages: msgs[start:i:i]}
			count += i - start
			asks := false
			if i < s.hi {
				asks = (whole || !s.d.out(i)) && control(&b, &msgs[i])
				i++
			}
			if asks {
				count++
			}
			if asks || len(b.Messages) > 0 {
				w.batches = append(w.batches, b)
				w.places = append(w.places, span{s.d, start, i})
			}
		}
	}
	return count
}

// control puts what m asks for into b, and tells whether the sink has to do with
// it.
func control(b *Batch, m *Message) bool {
	switch m.Kind {
	case Done:
		b.End, b.Ended, b.Final = EndOp, m.Received, m
	case Disconnect:
		b.End, b.Ended = EndDisconnect, m.Received
	case Resume:
		b.Resume = m.Client
	default:
		return false
	}
	return true
}

// finish notes that the spans are stored, but for what is refused or fenced. It returns how
// many messages that are.
func (w *writer) finish(spans []span, results []Result) (messages int) {
	for _, s := range spans {
		if s.d.failure == nil {
			s.d.upto = s.hi
		}
	}
	for i := range w.batches {
		messages += len(w.batches[i].Messages)
	}
	if len(results) == len(w.batches) {
		for i, r := range results {
			d, n := w.places[i].d, len(w.batches[i].Messages)
			d.duplicates += max(0, min(r.Duplicates, n))
			if w.batches[i].End != "" || w.batches[i].Resume != "" {
				d.answers = append(d.answers, answer{w.places[i].lo + n, r})
			}
		}
	}
	clear(w.batches)
	return messages
}

// rejected finds the message that err names, if it names one of the batches'.
func (w *writer) rejected(err error) (span, error) {
	if err == nil {
		return span{}, nil
	}
	var r *RejectError
	if !errors.As(err, &r) || r.Batch < 0 || r.Batch >= len(w.batches) || r.Message < 0 || IsBlocked(err) {
		return span{}, nil
	}
	b := &w.batches[r.Batch]
	if n := len(b.Messages); r.Message > n || r.Message == n && b.End == "" && b.Resume == "" {
		return span{}, nil
	}
	at := w.places[r.Batch].lo + r.Message
	why := r.Err
	if !IsPermanent(why) {
		why = Permanent(why)
	}
	return span{w.places[r.Batch].d, at, at + 1}, why
}

// refuse notes that a message is refused for good. Where too many are in a row, it
// blocks instead and returns false.
func (w *writer) refuse(at span, err error) bool {
	// A conflict is no sign of a broken sink: it had something to compare with. Nor
	// is what was refused before, and is kept already.
	if !errors.Is(err, ErrConflict) && !at.d.msgs[at.lo].Replayed {
		if n := w.engine.refusals.Add(1); n >= refusalsToBlock {
			w.give(Blocked(fmt.Errorf("the sink refused %d messages in a row and stored none, the last one: %w", n, err)))
			return false
		}
	}
	at.d.refusals = append(at.d.refusals, refusal{at.lo, err})
	return true
}

// alone gives the delivery that all the spans belong to that have not failed yet;
// nil: there are several.
func alone(spans []span) (only *delivery) {
	for _, s := range spans {
		if s.d.failure != nil || s.d == only {
			continue
		}
		if only != nil {
			return nil
		}
		only = s.d
	}
	return only
}

// fail notes that the spans could not be stored this time.
func fail(spans []span, err error) {
	for _, s := range spans {
		if s.d.failure == nil {
			s.d.failure = err
		}
	}
}

// halve splits the spans into two parts of about as many messages.
func halve(spans []span) (left, right []span) {
	total := 0
	for _, s := range spans {
		if s.d.failure == nil {
			total += s.hi - s.lo
		}
	}
	half := total / 2
	for _, s := range spans {
		n := s.hi - s.lo
		switch {
		case s.d.failure != nil: // nothing more of it is tried now
		case half >= n:
			left = append(left, s)
			half -= n
		case half > 0:
			left = append(left, span{s.d, s.lo, s.lo + half})
			right = append(right, span{s.d, s.lo + half, s.hi})
			half = 0
		default:
			right = append(right, s)
		}
	}
	return left, right
}

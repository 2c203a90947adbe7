package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
)

// Status is what a Write does to the status of a stream.
type Status uint8

const (
	// Keep leaves it as it is. Where the Write had duplicates or dead letters that
	// were received at Stream.Again or before, it opens a stream that ended before
	// that.
	Keep Status = iota
	// Open opens it, whatever it was.
	Open
	// Done ends it, for Stream.Reason.
	Done
)

// Stream is what a Write does to the row of one stream. It is made to be added
// to what the table has: the sum, the least and the greatest come out the same
// in whatever order two servers write.
//
// What a duplicate means for the status: a message that was stored before and is
// written again by a retry or a replay is no news, so it opens nothing by
// itself. But if it was received after the stream ended, then either a client
// sent it again, or the retry has just repeated the end that it came after: both
// times the stream goes on. So it is with a dead letter, which may be replayed when
// its stream has long ended: it takes its place among the messages before the end.
type Stream struct {
	ID       string
	Fresh    int64     // messages that were not stored before
	FirstSeq int64     // the least number of these
	LastSeq  int64     // the greatest
	FirstAt  time.Time // when the first of these was received
	LastAt   time.Time // and the last

	Status  Status
	Reason  engine.EndReason
	Final   *engine.Message // the Done, where there was one
	EndedAt time.Time       // when the Done or Disconnect was received
	Again   time.Time       // when the last duplicate or dead letter was received, where Status is Keep
	Batch   int             // the index of the last batch with an End
}

// Changed gives the streams whose rows are to be written. It opens those that no
// more than a duplicate opens again, with the query reopen, by the id and the time
// at or before which they ended. To those that ended after a dead letter it adds
// that with the query add, whose arguments are the messages, the first and last
// number, and the first and last time, each of these four twice, the id, and the
// time after which they ended. Streams is used up by it.
func (g *Group) Changed(ctx context.Context, c *Conn, args *Args, reopen, add string) ([]Stream, error) {
	changed := g.Streams[:0]
	for k := range g.Streams {
		s := &g.Streams[k]
		switch {
		case s.Fresh > 0 && s.Status == Keep:
			args.Reset()
			args.late(s)
			n, err := c.Exec(ctx, add, args.Values())
			if err != nil {
				return nil, fmt.Errorf("add to stream: %w", err)
			}
			if n == 0 {
				s.Status = Open
				changed = append(changed, *s)
			}
		case s.Fresh > 0 || s.Status != Keep:
			changed = append(changed, *s)
		case !s.Again.IsZero():
			args.Reset()
			args.Add(s.ID)
			args.Time(s.Again)
			if _, err := c.Exec(ctx, reopen, args.Values()); err != nil {
				return nil, fmt.Errorf("open stream: %w", err)
			}
		}
	}
	return changed, nil
}

// Fold makes Streams from the batches and what is known of their messages.
func (g *Group) Fold() {
	g.Streams = g.Streams[:0]
	for i := range g.Batches {
		b := &g.Batches[i]
		if n := len(g.Streams); n == 0 || g.Streams[n-1].ID != b.ID {
			g.Streams = append(g.Streams, Stream{ID: b.ID})
		}
		s := &g.Streams[len(g.Streams)-1]
		for j := range b.Messages {
			m := &b.Messages[j]
			received := Received(m, g.Now)
			if g.stored[g.first[i]+j] {
				s.again(received)
			} else {
				s.add(m.Seq, received, m.Replayed)
			}
		}
		if b.End != "" {
			s.end(b, g.Now)
			s.Batch = i
		}
	}
}

func (s *Stream) add(seq int64, received time.Time, replayed bool) {
	if s.Fresh == 0 {
		s.FirstSeq, s.LastSeq = seq, seq
		s.FirstAt, s.LastAt = received, received
	}
	s.Fresh++
	s.FirstSeq, s.LastSeq = min(s.FirstSeq, seq), max(s.LastSeq, seq)
	if received.Before(s.FirstAt) {
		s.FirstAt = received
	}
	if received.After(s.LastAt) {
		s.LastAt = received
	}
	if replayed {
		s.again(received)
		return
	}
	s.Status = Open
}

func (s *Stream) again(received time.Time) {
	switch s.Status {
	case Keep:
		if received.After(s.Again) {
			s.Again = received
		}
	case Done:
		if !received.Before(s.EndedAt) {
			s.Status = Open
		}
	}
}

func (s *Stream) end(b *engine.Batch, now time.Time) {
	s.Status, s.Reason, s.Final, s.EndedAt = Done, b.End, b.Final, Ended(b, now)
	s.Again = time.Time{}
}

// Ended is when the stream of b ended: now, where nobody has said when.
func Ended(b *engine.Batch, now time.Time) time.Time {
	switch {
	case seedbug.Is("sink-ended-now"):
		return now
	case !b.Ended.IsZero():
		return b.Ended
	case b.Final != nil && !b.Final.Received.IsZero():
		return b.Final.Received
	}
	return now
}

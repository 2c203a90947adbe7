package deadletters

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/internal/seedbug"
	"github.com/ingestd/ingestd/sink"
)

// group is what one transaction keeps: the letters of all who came while the
// transaction before it was under way.
type group struct {
	letters [][]driver.NamedValue
	done    chan struct{} // closed once err is what became of them
	err     error
	gone    bool // err is only that the one who wrote them had no more time
}

// Keep implements [engine.DeadLetters]. Calls that come at the same time share a
// transaction.
func (s *Store) Keep(ctx context.Context, letters []engine.DeadLetter) error {
	rows := make([][]driver.NamedValue, len(letters))
	for i := range letters {
		rows[i] = s.row(&letters[i])
	}
	for {
		again, err := s.await(ctx, s.join(rows))
		if err == nil {
			return nil
		}
		if !again || ctx.Err() != nil {
			return fmt.Errorf("keep dead letters: %w", err)
		}
	}
}

// join adds rows to what the next transaction keeps.
func (s *Store) join(rows [][]driver.NamedValue) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.joining == nil {
		s.joining = &group{done: make(chan struct{})}
	}
	s.joining.letters = append(s.joining.letters, rows...)
	return s.joining
}

// await waits until g is on disk. Of those who wait, the one who gets the
// connection first writes the whole group. After an error, again tells whether it
// was not about the letters at all.
func (s *Store) await(ctx context.Context, g *group) (again bool, err error) {
	for {
		select {
		case <-g.done:
			return g.gone, g.err
		case <-ctx.Done():
			return false, ctx.Err()
		case c := <-s.writer:
			s.mu.Lock()
			mine := s.joining == g
			if mine {
				s.joining = nil
			}
			s.mu.Unlock()
			switch {
			case !mine: // it has been written while we waited
				s.writer <- c
				<-g.done
			case seedbug.Is("deadletters-not-synced"):
				go s.commit(context.WithoutCancel(ctx), c, g)
				return false, nil
			default:
				s.commit(ctx, c, g)
			}
		}
	}
}

func (s *Store) commit(ctx context.Context, c *sink.Conn, g *group) {
	defer close(g.done)
	g.err = s.writeWith(ctx, c, func(ctx context.Context, c *sink.Conn) error {
		for _, row := range g.letters {
			if _, err := c.Exec(ctx, keepLetter, row); err != nil {
				return err
			}
		}
		return nil
	})
	g.gone = g.err != nil && ctx.Err() != nil
}

// keepLetter keeps a letter, or what is new about one that is there.
const keepLetter = `INSERT INTO letters (digest, kind, id, seq, client, op, code, sent_at, received_at,
	remote, sender, data, reason, error_code, sink, refused_at, attempts)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (digest) DO UPDATE SET reason = excluded.reason, error_code = excluded.error_code,
	sink = excluded.sink, refused_at = excluded.refused_at, attempts = attempts + excluded.attempts, replay = NULL`

// row makes the arguments of keepLetter. Who calls Keep may leave before they are
// written, so what belongs to it is copied.
func (s *Store) row(l *engine.DeadLetter) []driver.NamedValue {
	m := &l.Message
	data := bytes.Clone(m.Data)
	if data == nil {
		data = []byte{}
	}
	return arguments(
		digest(m), m.Kind.String(), strings.Clone(m.ID), m.Seq, strings.Clone(m.Client), strings.Clone(m.Op), m.Code,
		formatTime(m.Time), formatTime(m.Received), strings.Clone(m.Remote), strings.Clone(m.Sender), data,
		s.reason(l.Err), strings.Clone(l.Code), s.sink, formatTime(l.Refused), int64(max(1, l.Attempts)),
	)
}

func arguments(values ...driver.Value) []driver.NamedValue {
	args := make([]driver.NamedValue, len(values))
	for i, v := range values {
		args[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return args
}

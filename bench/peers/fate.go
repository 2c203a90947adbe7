package main

import (
	"context"
	"fmt"

	"github.com/ingestd/ingestd/bench/load"
)

// fate is what became of the messages.
type fate struct {
	stored     int // rows
	lost       int // messages without a row
	doubled    int // rows of messages that have one already
	disordered int // rows that come after one of a later message of their stream
}

// stream is what one connection sends to one id: the client numbers it from 0 on.
type stream struct {
	id   string
	conn int
}

// seen are the messages of a stream that have a row.
type seen struct {
	has  []bool
	last int // the highest
}

// fateOf reads the table in an order in which each stream should be in order, and
// compares it with what was sent.
func (p *place) fateOf(ctx context.Context, order string, sent int) (f fate, err error) {
	rows, err := p.db.QueryContext(ctx, "SELECT id, data FROM messages ORDER BY "+order)
	if err != nil {
		return f, err
	}
	defer func() { _ = rows.Close() }()
	streams := make(map[stream]*seen)
	for rows.Next() {
		var id string
		var data []byte
		if err := rows.Scan(&id, &data); err != nil {
			return f, err
		}
		conn, n, ok := load.Numbers(data)
		if !ok || n < 0 || n >= sent {
			return f, fmt.Errorf("id %s: nobody sent %s", id, data)
		}
		s := streams[stream{id, conn}]
		if s == nil {
			s = &seen{last: -1}
			streams[stream{id, conn}] = s
		}
		f.add(s, n)
	}
	f.lost = sent - (f.stored - f.doubled)
	return f, rows.Err()
}

func (f *fate) add(s *seen, n int) {
	f.stored++
	for len(s.has) <= n {
		s.has = append(s.has, false)
	}
	switch {
	case s.has[n]:
		f.doubled++
	case n < s.last:
		f.disordered++
	}
	s.has[n] = true
	s.last = max(s.last, n)
}

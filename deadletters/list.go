package deadletters

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/ingestd/ingestd/engine"
)

// A page is read at once; between two of them nothing is open, so that whoever
// reads slowly keeps SQLite from nothing. It ends after pageLetters, or earlier
// after a letter with which it has pageBytes of data.
const (
	pageLetters = 500
	pageBytes   = 1 << 20
)

// ErrNotFound is returned by Get where there is no letter of that number.
var ErrNotFound = errors.New("there is no such dead letter")

// ReadError says that one letter cannot be read; those after it can.
type ReadError struct {
	Number int64
	Err    error
}

func (e *ReadError) Error() string { return fmt.Sprintf("dead letter %d: %v", e.Number, e.Err) }
func (e *ReadError) Unwrap() error { return e.Err }

// List yields the letters that f selects, by ascending number, and no more than
// some of them are in memory at a time. After a [ReadError] it goes on, after any
// other it ends.
func (s *Store) List(ctx context.Context, f Filter) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		for left := f.Limit; ; {
			page, more, err := s.page(ctx, f)
			for i := range page {
				if !yield(page[i].Letter, page[i].err) {
					return
				}
				f.After = page[i].Number
				if left--; left == 0 {
					return
				}
			}
			if err != nil {
				yield(Letter{}, fmt.Errorf("read dead letters: %w", err))
				return
			}
			if !more {
				return
			}
		}
	}
}

// Get gives one letter.
func (s *Store) Get(ctx context.Context, number int64) (Letter, error) {
	for l, err := range s.List(ctx, Filter{Numbers: []int64{number}}) {
		return l, err
	}
	return Letter{}, ErrNotFound
}

// Count tells how many letters there are. It is cheap, however many.
func (s *Store) Count(ctx context.Context) (n int64, err error) {
	if err = s.reads.QueryRowContext(ctx, "SELECT letters FROM totals").Scan(&n); err != nil {
		return 0, fmt.Errorf("count dead letters: %w", err)
	}
	return n, nil
}

// CountOf tells how many letters f selects. It looks at all letters.
func (s *Store) CountOf(ctx context.Context, f Filter) (n int64, err error) {
	where, args := f.where()
	if err = s.reads.QueryRowContext(ctx, "SELECT count(*) FROM letters WHERE "+where, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count dead letters: %w", err)
	}
	return n, nil
}

// read is a letter of a page, or why it cannot be read.
type read struct {
	Letter
	err error
}

var columns = strings.Join([]string{
	"number", "kind", "id", "seq", "client", "op", "code", "sent_at", "received_at", "remote", "sender", "data",
	"reason", "error_code", "sink", "refused_at", "attempts", "coalesce(replay, 0)",
}, ", ")

// page reads the next letters. more tells whether there may be others.
func (s *Store) page(ctx context.Context, f Filter) (page []read, more bool, err error) {
	where, args := f.where()
	rows, err := s.reads.QueryContext(ctx, "SELECT "+columns+" FROM letters WHERE "+where+
		" ORDER BY number LIMIT ?", append(args, pageLetters)...)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = rows.Close() }()
	for size := 0; size < pageBytes; {
		if !rows.Next() {
			return page, len(page) == pageLetters, rows.Err()
		}
		l, err := scan(rows)
		if bad, is := errors.AsType[*ReadError](err); err != nil && !is {
			return page, false, err
		} else if is {
			bad.Number = l.Number
		}
		page = append(page, read{l, err})
		size += len(l.Message.Data)
	}
	return page, true, nil
}

// scan reads a row. What is wrong with its values is a ReadError; the program
// itself writes no such row.
func scan(rows *sql.Rows) (l Letter, err error) {
	m := &l.Message
	var kind, sent, received, refused string
	var data sql.RawBytes
	err = rows.Scan(&l.Number, &kind, &m.ID, &m.Seq, &m.Client, &m.Op, &m.Code, &sent, &received,
		&m.Remote, &m.Sender, &data, &l.Reason, &l.Code, &l.Sink, &refused, &l.Attempts, &l.Replay)
	if err != nil {
		return Letter{}, err
	}
	m.Data = append([]byte{}, data...)
	if err := decode(&l, kind, sent, received, refused); err != nil {
		return l, &ReadError{Err: err}
	}
	return l, nil
}

// decode fills in what the file has as text.
func decode(l *Letter, kind, sent, received, refused string) error {
	var errs [5]error
	l.Message.Kind, errs[0] = parseKind(kind)
	l.Message.Time, errs[1] = parseTime("sent_at", sent)
	l.Message.Received, errs[2] = parseTime("received_at", received)
	l.Refused, errs[3] = parseTime("refused_at", refused)
	errs[4] = engine.Check(&engine.Message{
		Kind: l.Message.Kind, ID: l.Message.ID, Client: l.Message.Client, Seq: l.Message.Seq,
	})
	return errors.Join(errs[:]...)
}

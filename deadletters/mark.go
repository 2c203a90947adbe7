package deadletters

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ingestd/ingestd/sink"
)

// chunk is how many letters a transaction marks or discards: Keep of a running
// daemon waits for no more.
const chunk = 1000

// requestsKept is how many requests are remembered.
const requestsKept = 1000

// Outcome is what has become of the letters that a request wants replayed.
type Outcome struct {
	Asked   int64 // letters that were marked
	Stored  int64 // of these, stored and deleted
	Refused int64 // refused again; they are there, with the new reason
	Waiting bool  // some are still to be replayed
}

// Mark asks for a replay of the letters that f selects. It returns a number by which
// [Store.Outcome] tells what has become of them, and how many they are. Where
// another request has marked them and they wait still, they are this one's now.
func (s *Store) Mark(ctx context.Context, f Filter) (request, letters int64, err error) {
	err = s.write(ctx, func(ctx context.Context, c *sink.Conn) error {
		r, err := c.ExecContext(ctx, "INSERT INTO replays (asked_at, letters, stored, refused) VALUES (?, 0, 0, 0)",
			formatTime(time.Now()))
		if err != nil {
			return err
		}
		if request, err = r.LastInsertId(); err != nil {
			return err
		}
		_, err = c.ExecContext(ctx, "DELETE FROM replays WHERE request <= ?", request-requestsKept)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("mark dead letters: %w", err)
	}
	letters, err = s.each(ctx, f, func(ctx context.Context, c *sink.Conn, which string, args []any) (int64, error) {
		r, err := c.ExecContext(ctx, "UPDATE letters SET replay = ? WHERE "+which, append([]any{request}, args...)...)
		if err != nil {
			return 0, err
		}
		n, err := r.RowsAffected()
		if err == nil {
			_, err = c.ExecContext(ctx, "UPDATE replays SET letters = letters + ? WHERE request = ?", n, request)
		}
		return n, err
	})
	if err != nil {
		return request, letters, fmt.Errorf("mark dead letters: %w", err)
	}
	return request, letters, nil
}

// ErrNoReplay is returned by Outcome for a request that there was not, or that is
// long ago.
var ErrNoReplay = errors.New("there is no such replay")

// Outcome tells what has become of the letters of a request so far.
func (s *Store) Outcome(ctx context.Context, request int64) (o Outcome, err error) {
	err = s.reads.QueryRowContext(ctx, `SELECT letters, stored, refused,
		EXISTS (SELECT 1 FROM letters WHERE replay = request) FROM replays WHERE request = ?`, request).
		Scan(&o.Asked, &o.Stored, &o.Refused, &o.Waiting)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoReplay
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("look at replay %d: %w", request, err)
	}
	return o, nil
}

// Waiting tells how many letters of a request are still to be replayed. It looks at
// all of them.
func (s *Store) Waiting(ctx context.Context, request int64) (n int64, err error) {
	err = s.reads.QueryRowContext(ctx, "SELECT count(*) FROM letters WHERE replay = ?", request).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("look at replay %d: %w", request, err)
	}
	return n, nil
}

// Marked tells how many letters are still to be replayed, of all requests. It is
// cheap where they are few.
func (s *Store) Marked(ctx context.Context) (n int64, err error) {
	if err = s.reads.QueryRowContext(ctx, "SELECT count(*) FROM letters WHERE replay IS NOT NULL").Scan(&n); err != nil {
		return 0, fmt.Errorf("count dead letters to replay: %w", err)
	}
	return n, nil
}

// Discard deletes the letters that f selects, and tells how many they were.
func (s *Store) Discard(ctx context.Context, f Filter) (letters int64, err error) {
	letters, err = s.each(ctx, f, func(ctx context.Context, c *sink.Conn, which string, args []any) (int64, error) {
		r, err := c.ExecContext(ctx, "DELETE FROM letters WHERE "+which, args...)
		if err != nil {
			return 0, err
		}
		return r.RowsAffected()
	})
	if err != nil {
		return letters, fmt.Errorf("discard dead letters: %w", err)
	}
	return letters, nil
}

// each calls change for the letters that f selects now, some at a time, each time in
// a transaction of its own.
func (s *Store) each(ctx context.Context, f Filter,
	change func(ctx context.Context, c *sink.Conn, which string, args []any) (int64, error),
) (changed int64, err error) {
	limit := int64(f.Limit)
	f.Limit = 0
	var last int64
	err = s.reads.QueryRowContext(ctx, "SELECT coalesce(max(number), 0) FROM letters").Scan(&last)
	if f.upto == 0 || f.upto > last {
		f.upto = last
	}
	for more := f.upto > 0; more && err == nil; {
		err = s.write(ctx, func(ctx context.Context, c *sink.Conn) error {
			size := int64(chunk)
			if limit > 0 {
				size = min(size, limit-changed)
			}
			where, args := f.where()
			args = append(args, size)
			const these = "FROM (SELECT number FROM letters WHERE %s ORDER BY number LIMIT ?)"
			var count, last int64
			err := c.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*), coalesce(max(number), 0) "+these, where), args...).
				Scan(&count, &last)
			if err != nil || count == 0 {
				more = false
				return err
			}
			n, err := change(ctx, c, fmt.Sprintf("number IN (SELECT number "+these+")", where), args)
			if err != nil {
				return err
			}
			f.After, more = last, last < f.upto && (limit == 0 || changed+n < limit)
			changed += n
			return nil
		})
	}
	return changed, err
}

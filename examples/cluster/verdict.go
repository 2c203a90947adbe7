package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// verdict is what the table holds of what was sent.
type verdict struct {
	sent, acked, stored int64

	lost       int64 // acked, and not there
	doubled    int64 // there twice
	outOfOrder int64 // there before an earlier one
	altered    int64 // not what was sent
	refused    int64 // though nothing was wrong with it
}

func (v verdict) clean() bool {
	return v.acked > 0 && v == verdict{sent: v.sent, acked: v.acked, stored: v.stored}
}

func (v verdict) String() string {
	is := "clean"
	if !v.clean() {
		is = "NOT CLEAN"
	}
	return fmt.Sprintf("%s: sent %d, acked %d, stored %d; lost %d, doubled %d, out of order %d, altered %d, refused %d",
		is, v.sent, v.acked, v.stored, v.lost, v.doubled, v.outOfOrder, v.altered, v.refused)
}

// openTable opens the database beside the writers, to read it.
func openTable(path string) (*sql.DB, error) {
	uri := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(60000)"}
	return sql.Open("sqlite", uri.String())
}

// judge compares the table with what the clients know.
func judge(ctx context.Context, db *sql.DB, all clients) (v verdict, err error) {
	v.sent, v.acked = all.counts()
	names := make(map[string]*sender)
	for _, s := range all {
		names[s.client.Name()] = s
		v.refused += s.refused
	}
	rows, err := db.QueryContext(ctx, "SELECT id, client, seq, data FROM messages ORDER BY client, id, seq")
	if err != nil {
		return v, fmt.Errorf("read the table: %w", err)
	}
	defer func() { _ = rows.Close() }()
	seen := make(map[string]bool) // payloads
	found := make(map[string]map[string]int64)
	for rows.Next() {
		var id, client, data string
		var n int64
		if err := rows.Scan(&id, &client, &n, &data); err != nil {
			return v, fmt.Errorf("read the table: %w", err)
		}
		s := names[client]
		switch {
		case seen[data]:
			v.doubled++
		case s == nil || n < 1 || n > s.sent[id] || data != string(payload(client, id, n)):
			v.altered++
		default:
			v.stored++
			if found[client] == nil {
				found[client] = make(map[string]int64)
			}
			if n <= s.acked[id] {
				found[client][id]++
			}
		}
		seen[data] = true
	}
	for name, s := range names {
		for id, acked := range s.acked {
			v.lost += acked - found[name][id]
		}
	}
	return v, rows.Err()
}

// awaitStored waits until the table has as many messages as were acked: an ack
// says that the nodes have a message, and the writers are a moment behind them.
func awaitStored(ctx context.Context, db *sql.DB, all clients) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, acked := all.counts()
	for {
		n, err := count(ctx, db, "SELECT COALESCE(SUM(messages), 0) FROM streams")
		if err == nil && n >= acked {
			return nil
		}
		if err == nil {
			err = sleep(ctx, 50*time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("%d messages are acked, and %d stored: %w", acked, n, err)
		}
	}
}

func count(ctx context.Context, db *sql.DB, query string) (n int64, err error) {
	err = db.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

// watch looks at the table while it grows.
type watch struct {
	gaps   int64 // that it saw
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// gaps counts what is there without the message before it. Each client's numbers
// begin with 1 in each stream.
const gaps = "SELECT COUNT(*) FROM (SELECT 1 FROM messages GROUP BY id, client HAVING COUNT(*) <> MAX(seq))"

// startWatch tells now and then how far everybody is, and looks whether a message is
// there without the one before it. Afterwards nobody could tell any more.
func startWatch(ctx context.Context, db *sql.DB, all clients, every time.Duration) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{cancel: cancel}
	w.work.Go(func() {
		for sleep(ctx, every) == nil {
			stored, err := count(ctx, db, "SELECT COALESCE(SUM(messages), 0) FROM streams")
			var found int64
			if err == nil {
				found, err = count(ctx, db, gaps)
			}
			if err != nil {
				if ctx.Err() == nil {
					say("cannot look: %v", err)
				}
				continue
			}
			w.gaps += found
			sent, acked := all.counts()
			say("     sent %6d   acked %6d   stored %6d", sent, acked, stored)
		}
	})
	return w
}

func (w *watch) end() {
	w.cancel()
	w.work.Wait()
}

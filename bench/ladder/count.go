package ladder

import (
	"context"
	"database/sql"
	"fmt"
)

// Counts are what became of the messages that were sent.
type Counts struct {
	Stored     int64 `json:"stored"`       // at least once
	Lost       int64 `json:"lost"`         // not at all
	Doubled    int64 `json:"doubled"`      // rows of a message that has another
	OutOfOrder int64 `json:"out_of_order"` // stored right after a later one of the same sender and id
}

// Count reads the tables at dsn. sent is how many messages there were, each with a
// number that no other of its sender and id had, ascending. Messages in random
// order are out of order by half, and one that overtakes many, or is overtaken by
// them, is one; in a stream where none is out of order, all messages are stored in
// the order of their numbers.
func Count(ctx context.Context, dsn string, sent int64) (Counts, error) {
	db, err := openDB(dsn)
	if err != nil {
		return Counts{}, err
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(ctx, "SELECT id, client, code FROM messages ORDER BY id, seq")
	if err != nil {
		return Counts{}, fmt.Errorf("read messages: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var c counter
	for rows.Next() {
		var id, client sql.RawBytes
		var number int64
		if err := rows.Scan(&id, &client, &number); err != nil {
			return Counts{}, fmt.Errorf("read messages: %w", err)
		}
		c.add(id, client, number)
	}
	if err := rows.Err(); err != nil {
		return Counts{}, fmt.Errorf("read messages: %w", err)
	}
	c.Lost = sent - c.Stored
	return c.Counts, nil
}

// counter takes the rows of one stream after the other, in the order of their
// writing.
type counter struct {
	Counts
	id      string
	senders map[string]*numbers
}

// numbers are those of one sender and id.
type numbers struct {
	seen map[int64]bool
	last int64
}

func (c *counter) add(id, client []byte, number int64) {
	if c.senders == nil || c.id != string(id) {
		c.id, c.senders = string(id), make(map[string]*numbers)
	}
	n := c.senders[string(client)]
	if n == nil {
		n = &numbers{seen: make(map[int64]bool)}
		c.senders[string(client)] = n
	}
	if n.seen[number] {
		c.Doubled++
		return
	}
	c.Stored++
	if n.seen[number] = true; number < n.last {
		c.OutOfOrder++
	}
	n.last = number
}

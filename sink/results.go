package sink

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/ingestd/ingestd/engine"
)

// Results makes the Results of the Write, within its transaction: nil where they
// say nothing. selectRows gives how many messages a stream holds, by its id;
// selectLastSeq the last number below another of a client, by the id, the client
// and that number. Each is asked only where the engine wants to know.
func (g *Group) Results(
	ctx context.Context, c *Conn, args *Args, selectRows, selectLastSeq string,
) (results []engine.Result, err error) {
	if !g.asked && len(g.Fresh) == len(g.Rows) {
		return nil, nil
	}
	results = make([]engine.Result, len(g.Batches))
	later := int64(0) // fresh messages of the stream in later batches
	for i := len(g.Batches) - 1; i >= 0; i-- {
		b, r := &g.Batches[i], &results[i]
		if i+1 < len(g.Batches) && g.Batches[i+1].ID != b.ID {
			later = 0
		}
		r.Duplicates = g.dups[i]
		if b.End != "" {
			n, err := c.number(ctx, args, selectRows, b.ID)
			if err != nil {
				return nil, fmt.Errorf("count the messages of a stream: %w", err)
			}
			r.Rows = n - later
		}
		if b.Resume != "" {
			r.LastSeq, err = c.number(ctx, args, selectLastSeq, b.ID, b.Resume, engine.FirstOwnSeq)
			if err != nil {
				return nil, fmt.Errorf("find a client's last number: %w", err)
			}
		}
		later += int64(len(b.Messages) - g.dups[i])
	}
	return results, nil
}

// number runs a query that answers with one number, or with none, which is 0.
func (c *Conn) number(ctx context.Context, args *Args, query string, values ...any) (n int64, err error) {
	args.Reset()
	for _, v := range values {
		args.Add(v)
	}
	err = c.Query(ctx, query, args.Values(), func(row []driver.Value) error {
		n, _ = row[0].(int64)
		return nil
	})
	return n, err
}

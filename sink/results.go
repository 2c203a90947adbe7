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
// and that number. Each is asked only where the engine wants to know, and once for
// what batches next to each other want to know: a client that asks a thousand times
// does not make a Write of a thousand queries.
func (g *Group) Results(
	ctx context.Context, c *Conn, args *Args, selectRows, selectLastSeq string,
) (results []engine.Result, err error) {
	if !g.asked && len(g.Fresh) == len(g.Rows) {
		return nil, nil
	}
	results = make([]engine.Result, len(g.Batches))
	later := int64(0) // fresh messages of the stream in later batches
	var counted, found *engine.Batch
	var count, last int64
	for i := len(g.Batches) - 1; i >= 0; i-- {
		b, r := &g.Batches[i], &results[i]
		if i+1 < len(g.Batches) && g.Batches[i+1].ID != b.ID {
			later = 0
		}
		r.Duplicates = g.dups[i]
		if b.End != "" {
			if counted == nil || counted.ID != b.ID {
				counted = b
				if count, err = c.number(ctx, args, selectRows, b.ID); err != nil {
					return nil, fmt.Errorf("count the messages of a stream: %w", err)
				}
			}
			r.Rows = count - later
		}
		if b.Resume != "" {
			if found == nil || found.ID != b.ID || found.Resume != b.Resume {
				found = b
				if last, err = c.number(ctx, args, selectLastSeq, b.ID, b.Resume, engine.FirstOwnSeq); err != nil {
					return nil, fmt.Errorf("find a client's last number: %w", err)
				}
			}
			r.LastSeq = last
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

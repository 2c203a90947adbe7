package sqlite

import (
	"context"
	"database/sql/driver"
	"math"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/sink"
)

// The lengths of the log, in pages of 4 KiB. It is moved into the database when it
// has beginPages, which are 55 MiB: the ends of the streams in the index are
// written again and again, and moved once. Write waits for that from fullPages
// on. A gapPages is little: what is left of a log that is nearly moved, and what
// comes in until one that could not be moved is tried again.
const (
	beginPages = 14_000
	fullPages  = 24_000
	gapPages   = 250
)

// checkpoints moves the log into the database, beside the connection that writes.
// Where nothing is left of the log, the next transaction begins it anew. Under
// load there always is something left; when it is little, it is moved while nobody
// writes.
type checkpoints struct {
	conn   *sink.Conn
	writer chan *writer
	log    hclog.Logger

	begin, full int64

	// idle holds a token while nothing is moved. Write gives it to the goroutine.
	idle   chan struct{}
	work   chan struct{}
	cancel context.CancelFunc
	ended  chan struct{}

	pages  atomic.Int64 // of the log, when it was last looked at
	next   int64        // pages at which to begin; belongs to who has the writer
	failed bool         // the last one; belongs to the goroutine
}

// start starts the goroutine. It ends with stop.
func (c *checkpoints) start() {
	c.begin, c.full, c.next = beginPages, fullPages, beginPages
	c.idle, c.work, c.ended = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{})
	c.idle <- struct{}{}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(context.Background())
	go c.run(ctx)
}

// stop interrupts what is under way, which loses nothing.
func (c *checkpoints) stop() error {
	c.cancel()
	<-c.ended
	return c.conn.Close()
}

// wait waits until nothing is moved, where the log is full.
func (c *checkpoints) wait(ctx context.Context) error {
	if c.pages.Load() < c.full {
		return nil
	}
	select {
	case <-c.idle:
		c.idle <- struct{}{}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// grown looks at the log after a transaction of w, and has it moved where it is
// long. An error here is one of the next transaction.
func (c *checkpoints) grown(ctx context.Context, w *writer) {
	pages, _, err := checkpoint(context.WithoutCancel(ctx), w.conn, "NOOP")
	if err != nil {
		return
	}
	if pages < c.pages.Swap(pages) { // it was begun anew
		c.next = c.begin
	}
	if pages < c.next {
		return
	}
	select {
	case <-c.idle:
		c.next = pages + gapPages
		c.work <- struct{}{}
	default:
	}
}

func (c *checkpoints) run(ctx context.Context) {
	defer close(c.ended)
	for {
		select {
		case <-c.work:
		case <-ctx.Done():
			return
		}
		err := c.move(ctx)
		if err != nil && ctx.Err() == nil && !c.failed {
			c.log.Warn("the log beside the database cannot be moved into it, and grows until it can", "error", err)
		}
		c.failed = err != nil
		c.idle <- struct{}{}
	}
}

// move moves the log into the database, or as much of it as readers and other
// processes allow, in several goes: what came in during one is left for the next.
func (c *checkpoints) move(ctx context.Context) error {
	left, before := int64(math.MaxInt64), int64(-1)
	for {
		pages, moved, err := checkpoint(ctx, c.conn, "NOOP")
		if err != nil {
			return err
		}
		switch {
		case pages-moved <= gapPages || moved != before && pages-moved > left/2: // that will not be much less
			return c.finish(ctx)
		case moved == before:
			return nil
		}
		left, before = pages-moved, moved
		if _, _, err := checkpoint(ctx, c.conn, "PASSIVE"); err != nil {
			return err
		}
	}
}

// finish moves what is left while nobody writes.
func (c *checkpoints) finish(ctx context.Context) error {
	select {
	case w := <-c.writer:
		defer func() { c.writer <- w }()
	case <-ctx.Done():
		return ctx.Err()
	}
	_, _, err := checkpoint(ctx, c.conn, "PASSIVE")
	return err
}

// checkpoint runs one, or only looks, and tells how many pages the log has, and how
// many of them are in the database. It waits for no reader and no other process.
func checkpoint(ctx context.Context, c *sink.Conn, mode string) (pages, moved int64, err error) {
	err = c.Query(ctx, "PRAGMA wal_checkpoint("+mode+")", nil, func(v []driver.Value) error {
		pages, _ = v[1].(int64)
		moved, _ = v[2].(int64)
		return nil
	})
	return pages, moved, err
}

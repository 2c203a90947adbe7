package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/transport"
)

// serve runs the parts until ctx ends, one of them fails, or every transport's
// source is exhausted. Then transports and engine drain at the same time, while
// the admin server still answers.
//
// Its goroutines: one for the engine or the spool, for each transport, for the dead
// letters to replay, for the admin server, for reloads, and one that watches the
// spool. All have ended when it returns.
func (d *daemon) serve(ctx context.Context, p *parts) error {
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	var errs failures
	fail := func(err error) {
		if ctx.Err() == nil {
			d.log.Error("draining: something failed", "error", hclx.Redact(err.Error(), d.cfg.secrets()...))
		}
		errs.add(err)
		drain()
	}

	var admin sync.WaitGroup
	if p.admin != nil {
		p.admin.status = d.statusOf(ctx, p)
		admin.Go(func() {
			if err := p.admin.serve(); err != nil {
				fail(fmt.Errorf("serve admin: %w", err))
			}
		})
	}
	admin.Go(func() { d.reloads(ctx, p) })
	if p.spool != nil {
		admin.Go(func() {
			select {
			case <-p.spool.Failed():
				fail(fmt.Errorf("the spool failed: %w", p.spool.Health().Failed))
			case <-ctx.Done():
			}
		})
	}

	var work sync.WaitGroup
	work.Go(func() {
		if err := p.run(ctx); err != nil {
			fail(err)
		}
	})
	var sources atomic.Int64
	sources.Store(int64(len(p.transports)))
	for _, t := range p.transports {
		work.Go(func() {
			if err := t.Serve(ctx, p.router()); err != nil {
				fail(fmt.Errorf("serve %s: %w", t.name, err))
			} else if sources.Add(-1) == 0 {
				drain()
			}
		})
	}
	work.Go(func() { // it is no source: it does not end before ctx does
		_ = deadletters.NewReplayer(p.letters, d.log.Named("dead-letters")).Serve(ctx, p.router())
	})
	d.announce(p)
	defer d.notify(ctx, p)() // after all else has ended
	if d.ready != nil {
		d.ready(p)
	}

	work.Wait()
	drain()
	errs.add(p.letters.Close())
	if p.admin != nil {
		errs.add(p.admin.close())
	}
	admin.Wait()
	d.summarize(p)
	return errs.join()
}

// announce writes the one line that says that the daemon is ready. It is written
// whatever the log's level is, since scripts wait for it.
func (d *daemon) announce(p *parts) {
	var servers, feeds []string
	for _, t := range p.transports {
		if _, dials := t.Transport.(*transport.WebSocketClient); dials {
			feeds = append(feeds, t.URL())
		} else {
			servers = append(servers, t.URL())
		}
	}
	var args []any
	for _, way := range []struct {
		in   string
		urls []string
	}{{"listening", servers}, {"feeds", feeds}} {
		switch len(way.urls) {
		case 0:
		case 1:
			args = append(args, way.in, way.urls[0])
		default:
			args = append(args, way.in, way.urls)
		}
	}
	args = append(args, "writing", p.sink.String())
	if p.admin != nil {
		args = append(args, "admin", p.admin.url())
	}
	d.log.always.Info("ready", append(args, "config", d.source)...)
}

// summarize writes what became of the messages.
func (d *daemon) summarize(p *parts) {
	stats := p.engine.Stats()
	args := []any{
		"accepted", stats.Accepted, "stored", stats.Stored, "duplicates", stats.Duplicates,
		"refused", stats.Refused,
	}
	if p.spool == nil {
		args = append(args, "undelivered", stats.Undelivered)
	} else {
		spooled := p.spool.Stats()
		args[1] = spooled.Accepted
		args = append(args, "replayed", spooled.Replayed, "in-spool", spooled.Pending)
	}
	d.log.Info("stopped", args...)
}

// failures collects errors from several goroutines.
type failures struct {
	mu   sync.Mutex
	errs []error
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *failures) join() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.errs...)
}

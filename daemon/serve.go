package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/metrics"
	"github.com/ingestd/ingestd/transport"
)

// serve runs the parts until ctx ends, one of them fails, or every transport's
// source is exhausted. Then transports and engine drain at the same time, while
// the admin server, which [daemon.open] has started, still answers.
//
// Its goroutines: one for the engine or the spool, for each transport, for what is
// posted to the admin server, for the dead letters to replay, for reloads, and one
// that watches the spool and the admin server. All have ended when it returns.
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

	d.attach(ctx, p)
	var control sync.WaitGroup
	control.Go(func() { d.reloads(ctx, p) })
	control.Go(func() { summaries(ctx, d.log, p.sample) })
	control.Go(func() {
		if err := p.watch(ctx); err != nil {
			fail(err)
		}
	})

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
			if err := t.Serve(ctx, p.tap); err != nil {
				fail(fmt.Errorf("serve %s: %w", t.name, err))
			} else if sources.Add(-1) == 0 {
				drain()
			}
		})
	}
	// These are no sources: they do not end before ctx does.
	work.Go(func() {
		if err := p.messages.Serve(ctx, p.tap); err != nil {
			fail(fmt.Errorf("serve admin: %w", err))
		}
	})
	work.Go(func() {
		_ = deadletters.NewReplayer(p.letters, d.log.Named("dead-letters")).Serve(ctx, p.router())
	})
	d.announce(p)
	defer d.notify(ctx, p)() // after all else has ended
	if d.ready != nil {
		d.ready(p)
	}

	work.Wait()
	drain()
	errs.add(p.admin.stop())
	errs.add(p.letters.Close())
	control.Wait()
	d.summarize(p)
	return errs.join()
}

// watch waits until ctx ends, or something fails that says so only once.
func (p *parts) watch(ctx context.Context) error {
	var spool <-chan struct{}
	var admin <-chan error
	if p.spool != nil {
		spool = p.spool.Failed()
	}
	if p.admin != nil {
		admin = p.admin.failed
	}
	select {
	case <-spool:
		return fmt.Errorf("the spool failed: %w", p.spool.Health().Failed)
	case err := <-admin:
		return err
	case <-ctx.Done():
		return nil
	}
}

// announce writes the one line that says that the daemon is ready. It is written
// whatever the log's level is, since scripts wait for it.
func (d *daemon) announce(p *parts) {
	var servers, feeds, streams []string
	for _, t := range p.transports {
		switch t.Transport.(type) {
		case *transport.WebSocketClient:
			feeds = append(feeds, t.URL())
		case metrics.NATSStats:
			streams = append(streams, t.URL())
		default:
			servers = append(servers, t.URL())
		}
	}
	var args []any
	for _, way := range []struct {
		in   string
		urls []string
	}{{"listening", servers}, {"feeds", feeds}, {"reading", streams}} {
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
		args = append(args, "admin", p.admin.URL())
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
	if stats.Fenced > 0 {
		args = append(args, "fenced", stats.Fenced)
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

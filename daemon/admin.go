package daemon

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/ingestd/ingestd/daemon/internal/admin"
	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/transport"
)

// adminServer is the server on admin.listen while it answers, which it does from
// before the sink is opened until everything is drained.
type adminServer struct {
	*admin.Server
	failed chan error // has what Serve returned, where that is an error
	ended  sync.WaitGroup
}

// startAdmin binds the port and answers there, on a goroutine that ends with stop.
// nil: there is none.
func (d *daemon) startAdmin() (*adminServer, error) {
	if d.cfg.Admin.Listen == "" {
		return nil, nil
	}
	s, err := admin.Listen(d.cfg.Admin.Listen, d.cfg.Admin.access(), &admin.Daemon{
		Readiness: func(context.Context) api.Readiness { return d.starting().Readiness() },
		Status:    func(context.Context) api.Status { return d.starting().Status() },
	}, d.log.Named("admin"))
	if err != nil {
		return nil, fmt.Errorf("open admin: %w", hintListen(err, "admin.listen"))
	}
	a := &adminServer{Server: s, failed: make(chan error, 1)}
	a.ended.Go(func() {
		if err := s.Serve(); err != nil {
			a.failed <- fmt.Errorf("serve admin: %w", err)
		}
	})
	return a, nil
}

// stop frees the port and waits for the goroutine.
func (a *adminServer) stop() error {
	if a == nil {
		return nil
	}
	err := a.Close()
	a.ended.Wait()
	return err
}

// attach gives the admin server what runs. ctx ends when the drain begins.
func (d *daemon) attach(ctx context.Context, p *parts) {
	if p.admin == nil {
		return
	}
	look := func(asking context.Context) *look { return d.look(asking, p, ctx.Err() != nil) }
	p.admin.Attach(&admin.Daemon{
		Readiness: func(ctx context.Context) api.Readiness { return look(ctx).Readiness() },
		Status:    func(ctx context.Context) api.Status { return look(ctx).Status() },
		Sample:    p.sample,
		Engine:    p.engine,
		Tap:       p.tap,
		Letters:   p.letters,
		Redact:    d.redact,
		Stored:    p.stored,
		Messages:  p.messages,
		Metrics:   d.metricsHandler(p),
		Config: func() api.Config {
			return api.Config{Source: d.source, Text: d.current.Load().hcl()}
		},
		SetLogLevel: d.setLogLevel,
		Reload:      func(asking context.Context) (api.Reloaded, error) { return d.askReload(asking, ctx) },
	})
}

// redact takes secrets out of a text: those of the start, and those of now.
func (d *daemon) redact(text string) string {
	text = hclx.Redact(text, d.cfg.secrets()...)
	if current := d.current.Load(); current != nil && current != d.cfg {
		text = hclx.Redact(text, current.secrets()...)
	}
	return text
}

// setLogLevel changes the log's level until the next reload.
func (d *daemon) setLogLevel(level string) error {
	if !slices.Contains(logLevels, level) {
		return fmt.Errorf("level must be one of %v, not %q", logLevels, level)
	}
	d.log.SetLevel(hclog.LevelFromString(level))
	d.log.always.Info("log level changed", "level", level)
	return nil
}

// openMessages makes what takes the messages that are posted to the admin server:
// an HTTP transport that has no port. It knows the ops of all transports.
func (d *daemon) openMessages(p *parts, holds *transport.Holds) error {
	c := transport.DefaultHTTPConfig()
	c.Listen, c.Holds, c.Logger = "", holds, d.log.Named("admin")
	c.Authenticate = func(*http.Request) (transport.Identity, error) { return transport.Identity{Name: "admin"}, nil }
	if d.cfg.Delivery.Spool {
		c.Ack = transport.AckSpooled // who looks at a page does not wait for a sink that is away
	}
	for _, t := range d.cfg.transports {
		ops, _ := hclx.Get[[]string](t.config, "ops")
		for _, op := range ops {
			if !slices.Contains(c.Ops, op) {
				c.Ops = append(c.Ops, op)
			}
		}
	}
	var err error
	if p.messages, err = transport.ListenHTTP(c); err != nil {
		return fmt.Errorf("open admin: %w", err)
	}
	return nil
}

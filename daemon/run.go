package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"

	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/transport"
)

// daemon is one run of the program.
type daemon struct {
	cfg    *config // as it was at the start
	source string  // where cfg came from
	log    *logger
	hup    <-chan os.Signal        // asks for a reload
	load   func() (*config, error) // reads the configuration again
	ready  func(p *parts)          // called once when it is ready; nil: nobody waits

	current atomic.Pointer[config] // with what reloads changed
}

// run opens what the configuration names, serves until ctx ends or something
// fails, drains, and closes everything. No goroutine of its own is left then. The
// error has an exit status.
func (d *daemon) run(ctx context.Context) (err error) {
	release, err := lockDir(d.cfg.DataDir)
	if err != nil {
		return outside(err)
	}
	defer func() { err = errors.Join(err, release()) }()
	d.current.Store(d.cfg)
	d.noteFiles()

	p, err := d.open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop before it was ready: there is nothing to lose
		}
		return outside(err)
	}
	return d.serve(ctx, p)
}

func (d *daemon) noteFiles() {
	if n := openFiles(); n < fewFiles && n > 0 {
		d.log.Warn("few files may be open: each connection needs one", "limit", n)
	} else {
		d.log.Debug("files that may be open", "limit", n)
	}
}

// parts are what the daemon runs.
type parts struct {
	sink       Sink
	transports []namedTransport
	admin      *adminServer
	engine     *engine.Engine
	letters    *deadletters.Store
}

type namedTransport struct {
	Transport
	name string
}

// open opens the sink, binds the ports, and makes the engine, in this order, so
// that nobody can connect before messages can be stored. On an error everything is
// closed again.
func (d *daemon) open(ctx context.Context) (p *parts, err error) {
	p = &parts{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	sink, err := d.cfg.sink.open(ctx, d.cfg.sink.config, d.log.Named("sink"))
	if err != nil {
		return p, fmt.Errorf("open sink %s: %w", d.cfg.sink.name, err)
	}
	p.sink = sink
	holds := transport.NewHolds()
	for _, t := range d.cfg.transports {
		opened, err := t.listen(ctx, t.config, Host{Logger: d.log.Named(t.path()), Holds: holds})
		if err != nil {
			return p, fmt.Errorf("open %s: %w", t.path(), hintListen(err, t.path()+".listen"))
		}
		p.transports = append(p.transports, namedTransport{opened, t.path()})
	}
	if d.cfg.Admin.Listen != "" {
		if p.admin, err = listenAdmin(d.cfg.Admin.Listen, d.log.Named("admin")); err != nil {
			return p, fmt.Errorf("open admin: %w", hintListen(err, "admin.listen"))
		}
	}
	o := d.cfg.engineOptions()
	o.Logger = d.log.Named("engine")
	if p.letters, err = openLetters(ctx, d.cfg, p.sink.String()); err != nil {
		return p, err
	}
	o.DeadLetters = p.letters
	p.engine, err = engine.New(p.sink, o)
	return p, err
}

// hintListen names the setting by which a port that cannot be bound is changed.
func hintListen(err error, setting string) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "listen" {
		return err
	}
	return fmt.Errorf("%w; --set %s=ADDRESS:PORT chooses another", err, setting)
}

// close closes what was opened and is not going to be served.
func (p *parts) close() {
	for _, t := range p.transports {
		_ = t.Close()
	}
	if p.admin != nil {
		_ = p.admin.close()
	}
	if p.sink != nil {
		_ = p.sink.Close()
	}
	if p.letters != nil {
		_ = p.letters.Close()
	}
}

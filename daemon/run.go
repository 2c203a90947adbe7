package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/ingestd/ingestd/daemon/internal/admin"
	"github.com/ingestd/ingestd/daemon/internal/hclx"
	"github.com/ingestd/ingestd/deadletters"
	"github.com/ingestd/ingestd/engine"
	"github.com/ingestd/ingestd/spool"
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

	started     time.Time
	current     atomic.Pointer[config] // with what reloads changed
	needRestart atomic.Pointer[[]string]
	files       namedFiles         // those that cfg names, as they were read last
	asked       chan chan<- reload // asks for a reload, and hears of its outcome
}

// run opens what the configuration names, serves until ctx ends or something
// fails, drains, and closes everything. No goroutine of its own is left then. The
// error has an exit status.
func (d *daemon) run(ctx context.Context) (err error) {
	release, err := lockDir(d.cfg.DataDir, asDaemon)
	if err != nil {
		return outside(err)
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := d.keepSpool(); err != nil {
		return outside(err)
	}
	d.started, d.asked = time.Now(), make(chan chan<- reload)
	d.current.Store(d.cfg)
	d.noteFiles()
	d.noteUndelivered()

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
	admin      *adminServer // nil: there is none
	messages   *transport.HTTP
	tap        *admin.Tap // in front of the router; what the transports route to
	engine     *engine.Engine
	letters    *deadletters.Store
	spool      *spool.Spool // nil: there is none
}

// router takes the messages of the transports, behind the tap.
func (p *parts) router() engine.Router {
	if p.spool != nil {
		return p.spool
	}
	return p.engine
}

// run runs the router until ctx ends, and drains it.
func (p *parts) run(ctx context.Context) error {
	if p.spool != nil {
		return p.spool.Run(ctx, p.engine)
	}
	return p.engine.Run(ctx)
}

type namedTransport struct {
	Transport
	name   string
	update func(t Transport, config any) error // nil: nothing of it changes while it runs
}

// open binds the admin port, opens the sink, binds the other ports, and makes the
// engine, in this order, so that nobody can connect before messages can be stored,
// and everybody can see what is waited for. On an error everything is closed again.
func (d *daemon) open(ctx context.Context) (p *parts, err error) {
	p = &parts{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.admin, err = d.startAdmin(); err != nil {
		return p, err
	}
	if p.sink, err = d.openSink(ctx); err != nil {
		return p, err
	}
	token, err := restoreToken(d.cfg.DataDir)
	if err != nil {
		return p, err
	}
	holds := transport.NewHolds()
	for _, t := range d.cfg.transports {
		opened, err := t.listen(ctx, t.config, Host{
			Name: cmp.Or(t.label, t.name), Logger: d.log.Named(t.path()), Holds: holds, RestoreToken: token,
		})
		if err != nil {
			return p, fmt.Errorf("open %s: %w", t.path(), hintListen(err, t.path()+".listen"))
		}
		p.transports = append(p.transports, namedTransport{opened, t.path(), t.update})
	}
	if err := d.openMessages(p, holds); err != nil {
		return p, err
	}
	if err := d.openRouter(ctx, p, token); err != nil {
		return p, err
	}
	p.tap = admin.NewTap(p.router())
	d.files = readNamed(d.cfg)
	return p, nil
}

// openSink opens the sink. One that is out of reach is waited for, where there is a
// spool to wait in.
func (d *daemon) openSink(ctx context.Context) (Sink, error) {
	c := d.cfg.sink
	open := func(ctx context.Context) (Sink, error) { return c.open(ctx, c.config, d.log.Named("sink")) }
	sink, err := open(ctx)
	switch {
	case err == nil:
		return sink, nil
	case d.cfg.Delivery.Spool && waits(err) && ctx.Err() == nil:
		d.log.Warn("sink cannot be opened yet: messages wait in the spool", "sink", c.name,
			"error", hclx.Redact(err.Error(), d.cfg.secrets()...))
		return &lateSink{name: c.name, open: open}, nil
	}
	return nil, fmt.Errorf("open sink %s: %w", c.name, err)
}

// openRouter makes the engine, with what keeps its dead letters, and the spool in
// front of it where there is one.
func (d *daemon) openRouter(ctx context.Context, p *parts, token engine.Secret) (err error) {
	o := d.cfg.engineOptions()
	o.Logger, o.RestoreToken = d.log.Named("engine"), token
	if p.letters, err = openLetters(ctx, d.cfg, p.sink.String()); err != nil {
		return err
	}
	o.DeadLetters = p.letters
	if p.engine, err = engine.New(p.sink, o); err != nil || !d.cfg.Delivery.Spool {
		return err
	}
	c := d.cfg.spoolConfig(p.engine)
	c.Logger = d.log.Named("spool")
	if p.spool, err = spool.Open(c); err != nil {
		return fmt.Errorf("open the spool: %w", err)
	}
	return nil
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
	_ = p.admin.stop()
	if p.messages != nil {
		_ = p.messages.Close()
	}
	if p.spool != nil {
		_ = p.spool.Close()
	}
	if p.sink != nil {
		_ = p.sink.Close()
	}
	if p.letters != nil {
		_ = p.letters.Close()
	}
}

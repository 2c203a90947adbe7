package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ingestd/ingestd/daemon/internal/admin"
	"github.com/ingestd/ingestd/daemon/internal/api"
	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

// reload is what has become of a reload.
type reload struct {
	api.Reloaded
	err error // the configuration has mistakes, or cannot be put into effect: nothing changed
}

// reloads reads the configuration again whenever that is asked for, by a signal or
// by the admin server, one at a time, until ctx ends.
func (d *daemon) reloads(ctx context.Context, p *parts) {
	for {
		select {
		case <-d.hup:
			d.reload(p)
		case answer := <-d.asked:
			answer <- d.reload(p)
		case <-ctx.Done():
			return
		}
	}
}

// askReload asks for a reload and waits for its outcome. draining ends when it is
// too late.
func (d *daemon) askReload(ctx, draining context.Context) (api.Reloaded, error) {
	answer := make(chan reload, 1)
	select {
	case d.asked <- answer:
		done := <-answer // it has begun, and is not waited for long
		return done.Reloaded, done.err
	case <-draining.Done():
		return api.Reloaded{}, admin.ErrDraining
	case <-ctx.Done():
		return api.Reloaded{}, ctx.Err()
	}
}

// reload puts into effect what can change while the daemon runs, and names the
// rest. A configuration with a mistake changes nothing.
func (d *daemon) reload(p *parts) reload {
	defer (&notifier{log: d.log.Logger}).reloading()()
	next, err := d.load()
	if err != nil {
		d.log.Error("configuration not reloaded: nothing changes", "mistakes", err.Error())
		return reload{err: err}
	}
	current := d.current.Load()
	adopted, live, rest := current.adopt(next)
	if err := p.update(current, adopted); err != nil {
		text := hclx.Redact(d.redact(err.Error()), next.secrets()...)
		d.log.Error("configuration not reloaded: nothing changes", "error", text)
		return reload{err: errors.New(text)}
	}
	if p.admin != nil {
		p.admin.SetAccess(adopted.Admin.access())
	}
	d.log.SetLevel(adopted.level())
	d.current.Store(adopted)
	d.needRestart.Store(&rest)
	read := readNamed(adopted)
	live = append(live, read.changed(d.files)...)
	d.files = read
	d.log.Info("configuration reloaded", "changed", live)
	if len(rest) > 0 {
		d.log.Warn("these changes need a restart", "settings", rest)
	}
	return reload{Reloaded: api.Reloaded{Changed: orNone(live), NeedsRestart: orNone(rest)}}
}

// orNone makes an empty list of none, which JSON tells apart.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// adopt gives the configuration with those settings of next that can change while
// the daemon runs. It lists them, and the others in which the two differ, as --set
// names them; a block that only one of them has counts as one.
func (c *config) adopt(next *config) (adopted *config, live, rest []string) {
	note := func(l, r []string) { live, rest = append(live, l...), append(rest, r...) }
	adopted = &config{sink: c.sink}
	made, l, r := hclx.Adopt("", &c.core, &next.core)
	adopted.core = *made.(*core)
	note(l, r)
	if c.sink.name != next.sink.name {
		note(nil, []string{"sink"})
	} else {
		note(nil, hclx.Changed("sink."+c.sink.name, c.sink.config, next.sink.config))
	}
	others := map[string]transportConfig{}
	for _, t := range next.transports {
		others[t.path()] = t
	}
	for _, t := range c.transports {
		other, ok := others[t.path()]
		delete(others, t.path())
		switch {
		case !ok:
			note(nil, []string{t.path()})
		case t.update == nil:
			note(nil, hclx.Changed(t.path(), t.config, other.config))
		default:
			t.config, l, r = hclx.Adopt(t.path(), t.config, other.config)
			note(l, r)
		}
		adopted.transports = append(adopted.transports, t)
	}
	for path := range others {
		note(nil, []string{path})
	}
	slices.Sort(live)
	slices.Sort(rest)
	adopted.origins = c.origins.After(next.origins, rest)
	return adopted, live, rest
}

// update puts c into effect in place of old. After an error old is in effect.
func (p *parts) update(old, c *config) error {
	for i, t := range p.transports {
		if t.update == nil {
			continue
		}
		if err := t.update(t.Transport, c.transports[i].config); err != nil {
			p.takeBack(old, i)
			return fmt.Errorf("update %s: %w", t.name, err)
		}
	}
	if err := p.updateRouter(old, c); err != nil {
		p.takeBack(old, len(p.transports))
		return err
	}
	return nil
}

// takeBack gives the first n transports the settings that they had.
func (p *parts) takeBack(old *config, n int) {
	for i, t := range p.transports[:n] {
		if t.update != nil {
			_ = t.update(t.Transport, old.transports[i].config) // they were in effect
		}
	}
}

// updateRouter gives the router other limits in place of those of old. What the
// spool hands on must never be more than the engine takes, so it is first given the
// lesser of both.
func (p *parts) updateRouter(old, c *config) error {
	if p.spool == nil {
		return p.engine.Update(c.engineOptions())
	}
	before, after := old.spoolLimits(), c.spoolLimits()
	lesser := after
	lesser.MaxPending = min(before.MaxPending, after.MaxPending)
	lesser.MaxStreams = min(before.MaxStreams, after.MaxStreams)
	p.spool.Update(lesser)
	if err := p.engine.Update(c.engineOptions()); err != nil {
		p.spool.Update(before)
		return err
	}
	p.spool.Update(after)
	return nil
}

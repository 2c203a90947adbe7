package daemon

import (
	"context"
	"slices"
	"sort"
	"strings"

	"github.com/ingestd/ingestd/daemon/internal/hclx"
)

// reloads reads the configuration again whenever that is asked for, until ctx
// ends.
func (d *daemon) reloads(ctx context.Context, p *parts) {
	for {
		select {
		case <-d.hup:
			d.reload(p)
		case <-ctx.Done():
			return
		}
	}
}

// reload puts into effect what can change while the daemon runs, and names the
// rest. A configuration with a mistake changes nothing.
func (d *daemon) reload(p *parts) {
	next, err := d.load()
	if err != nil {
		d.log.Error("configuration not reloaded: nothing changes", "mistakes", err.Error())
		return
	}
	current := d.current.Load()
	changed := changes(current, next)
	live := slices.DeleteFunc(slices.Clone(changed), func(path string) bool { return !changesLive(path) })
	restart := slices.DeleteFunc(slices.Clone(changed), changesLive)

	merged := *current
	merged.Log.Level = next.Log.Level
	merged.ShutdownTimeout = next.ShutdownTimeout
	merged.Router = next.Router
	merged.Delivery.RetryMin, merged.Delivery.RetryMax = next.Delivery.RetryMin, next.Delivery.RetryMax
	if err := p.update(current, &merged); err != nil {
		d.log.Error("configuration not reloaded: nothing changes", "error", err)
		return
	}
	d.log.SetLevel(merged.level())
	d.current.Store(&merged)
	d.log.Info("configuration reloaded", "changed", live)
	if len(restart) > 0 {
		d.log.Warn("these changes need a restart", "settings", restart)
	}
}

// update gives the router other limits in place of those of old. What the spool
// hands on must never be more than the engine takes, so it is first given the lesser
// of both.
func (p *parts) update(old, c *config) error {
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

// changesLive tells whether a setting can change while the daemon runs.
func changesLive(path string) bool {
	switch path {
	case "log.level", "shutdown_timeout", "delivery.retry_min", "delivery.retry_max":
		return true
	}
	return strings.HasPrefix(path, "router.")
}

// changes lists the settings in which two configurations differ, as --set names
// them; a block that only one of them has counts as one.
func changes(before, after *config) []string {
	paths := hclx.Changed("", before.core, after.core)
	if before.sink.name != after.sink.name {
		paths = append(paths, "sink")
	} else {
		paths = append(paths, hclx.Changed("sink."+after.sink.name, before.sink.config, after.sink.config)...)
	}
	old := map[string]any{}
	for _, t := range before.transports {
		old[t.path()] = t.config
	}
	for _, t := range after.transports {
		if config, ok := old[t.path()]; ok {
			paths = append(paths, hclx.Changed(t.path(), config, t.config)...)
			delete(old, t.path())
		} else {
			paths = append(paths, t.path())
		}
	}
	for path := range old {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	return paths
}
